"""What the engine is told. Every fact about a process carries the incarnation it is about.

Whatever an older incarnation says or does is dropped by the engine, so a shell need not filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from supervisor.engine.spec import ChildSpec, Program, SupervisorSpec

Reason = Literal[
    "normal", "crashed", "killed", "hung", "stale", "start_timeout", "start_failed",
    "memory", "config", "stopped", "restarted", "max_runtime", "forkserver",
]  # fmt: skip
TimerKind = Literal["backoff", "ready", "shutdown", "stable", "max_runtime", "probe", "dump"]


@dataclass(frozen=True)
class ExitStatus:
    """How a process ended: ``code`` or the name of a ``signal`` (``"SIGKILL"``).

    ``cause`` is set when something else ended it: ``forkserver`` when the process it was forked from
    was lost. With neither code nor signal the status is unknown.
    """

    code: int | None = None
    signal: str | None = None
    cause: Literal["forkserver"] | None = None

    @property
    def normal(self) -> bool:
        """Whether the process ended by itself with code 0."""
        return self.code == 0 and self.cause is None


@dataclass(frozen=True)
class Timer:
    """Names one alarm. ``serial`` tells it from earlier alarms of the same kind."""

    child: str
    kind: TimerKind
    serial: int


@dataclass(frozen=True)
class Spawned:
    """The process exists."""

    child: str
    incarnation: int
    pid: int


@dataclass(frozen=True)
class SpawnFailed:
    """No process came to be; ``detail`` is a sentence for people. ``permanent``: trying again is no use."""

    child: str
    incarnation: int
    detail: str
    permanent: bool = False


@dataclass(frozen=True)
class StartIgnored:
    """The child decided that it is not needed now: there is no process, and that is no failure."""

    child: str
    incarnation: int


@dataclass(frozen=True)
class Ready:
    """The child said that it serves."""

    child: str
    incarnation: int


@dataclass(frozen=True)
class Exited:
    """The process and all of its group are gone. ``detail`` is its last word, if it left one."""

    child: str
    incarnation: int
    status: ExitStatus
    detail: str | None = None


@dataclass(frozen=True)
class BeatMissed:
    """So many beats are missing that the child counts as hung; ``silence`` in seconds."""

    child: str
    incarnation: int
    silence: float


@dataclass(frozen=True)
class LimitExceeded:
    """The child's resident size stays above its limit; both in bytes."""

    child: str
    incarnation: int
    memory: int
    limit: int


@dataclass(frozen=True)
class SupervisorKilled:
    """A supervisor was lost without a chance to stop its children: its workers are to die with it."""

    supervisor: str


@dataclass(frozen=True)
class TimerFired:
    """An armed alarm went off."""

    timer: Timer


@dataclass(frozen=True)
class Boot:
    """Start the tree."""


@dataclass(frozen=True)
class ShutdownAsked:
    """Stop the whole tree in reverse start order, then exit with ``code``. Asking twice is harmless.

    ``by`` names who asked, for the record: ``operator``, a signal, an option of the run, a child.
    """

    code: int = 0
    request: str | None = None
    by: str | None = None


@dataclass(frozen=True)
class TreeChanged:
    """The tree shall be as ``spec`` says: added, removed and changed children only are touched."""

    spec: SupervisorSpec
    request: str | None = None


@dataclass(frozen=True)
class StartAsked:
    """An operator wants this child up; clears its counters when it is parked or held."""

    child: str
    request: str | None = None


@dataclass(frozen=True)
class StopAsked:
    """An operator wants this child down until told otherwise."""

    child: str
    request: str | None = None


@dataclass(frozen=True)
class RestartAsked:
    """An operator wants a new incarnation of this child; clears its counters."""

    child: str
    request: str | None = None


@dataclass(frozen=True)
class StartChild:
    """Add a child to a running supervisor and start it.

    Under ``simple_one_for_one`` ``spec`` is the id of a new instance of its template, and ``program``, if
    given, what this instance runs in place of the template's (OTP's extra arguments). This call and the
    following ones each end in one ``Answer`` with the same ``request``.
    """

    supervisor: str
    spec: ChildSpec | str
    request: str
    program: Program | None = None


@dataclass(frozen=True)
class TerminateChild:
    """Stop a child and keep it in the list; a temporary child and an instance are taken off it."""

    supervisor: str
    child: str
    request: str


@dataclass(frozen=True)
class RestartChild:
    """Start a stopped child in its place."""

    supervisor: str
    child: str
    request: str


@dataclass(frozen=True)
class DeleteChild:
    """Take a stopped child off the list."""

    supervisor: str
    child: str
    request: str


@dataclass(frozen=True)
class CountChildren:
    """Ask how many children there are."""

    supervisor: str
    request: str


@dataclass(frozen=True)
class WhichChildren:
    """Ask which children there are."""

    supervisor: str
    request: str


ChildCall = TerminateChild | RestartChild | DeleteChild
"""Calls about one child of the list."""
Call = StartChild | ChildCall | CountChildren | WhichChildren

Event = (
    Spawned | SpawnFailed | StartIgnored | Ready | Exited | BeatMissed | LimitExceeded | SupervisorKilled
    | TimerFired | Boot | ShutdownAsked | TreeChanged | StartAsked | StopAsked | RestartAsked | Call
)  # fmt: skip
