"""The port to the operating system: real processes and simulated ones look the same from above."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from supervisor.engine.events import Exited, ExitStatus, Spawned, SpawnFailed
from supervisor.engine.spec import Program

HostEvent = Spawned | SpawnFailed | Exited
Sink = Callable[[HostEvent], None]
"""Called on the loop's thread, never from within a call of the host."""


@dataclass(frozen=True)
class Birth:
    """A process to be made.

    ``launch`` is the encoded ``Launch`` of a Python worker, or what a command shall find on its stdin.
    """

    child: str
    incarnation: int
    program: Program
    launch: bytes = b""


RunErrand = Callable[[Birth, float], Awaitable[ExitStatus]]
"""Runs a program beside a child for at most so many seconds; see ``RealHost.run``."""


class Host(Protocol):
    """Starts, signals and watches processes, each in a session of its own.

    Every ``spawn`` is answered once with ``Spawned`` or ``SpawnFailed``; every ``Spawned`` is followed by
    one ``Exited``, when the process *and its whole group* are gone. Calls about an incarnation that is
    gone, or not yet there, do nothing (a kill that arrives before the process does is remembered).
    """

    def now(self) -> float:
        """Monotonic time in seconds."""
        ...

    def spawn(self, birth: Birth) -> None:
        """Begin to start a process; returns at once."""
        ...

    def terminate(self, child: str, incarnation: int) -> None:
        """Send SIGTERM and SIGCONT to the leader."""
        ...

    def dump_stacks(self, child: str, incarnation: int) -> None:
        """Send SIGCONT and the signal at which Python workers dump their stacks to stderr."""
        ...

    def kill(self, child: str, incarnation: int) -> None:
        """SIGKILL the whole group."""
        ...

    def pids(self) -> dict[str, int]:
        """The pids of the living children, by id."""
        ...

    def renew(self, preload: Sequence[str]) -> None:
        """Have new starts come from a fresh forkserver with these modules; what runs is not touched."""
        ...

    async def open(self) -> None:
        """Start what spawning needs (forkserver, launcher). Raises OSError when that fails."""
        ...

    async def close(self) -> None:
        """Kill whatever is left and end the helpers; harmless when repeated."""
        ...
