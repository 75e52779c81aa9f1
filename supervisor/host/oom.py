"""Whether the kernel has killed for lack of memory lately, as far as its counters tell.

The kernel counts such kills; it does not say whom it killed. The counter is that of the root's own control
group (version 2 or 1) where there is one, so that kills elsewhere on the machine do not confuse, else that
of the whole machine. A death by SIGKILL that nobody asked for, with a count that has just grown, is taken
for such a kill: best effort, good enough for a sentence to a person, never for a decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

RECENT_S: Final = 5.0
"""A kill counts as recent for this long, and for as long again when looks are that far apart."""
_CGROUPS: Final = Path("/sys/fs/cgroup")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")
_MACHINE: Final = Path("/proc/vmstat")
_KEY: Final = b"\noom_kill "


class Kills(Protocol):
    """Counts the kernel's kills for lack of memory."""

    def read(self) -> int | None:
        """Return the kills so far; None when that is not known."""
        ...


@dataclass(frozen=True)
class KillCounter:
    """A file with a line ``oom_kill N``."""

    path: Path

    def read(self) -> int | None:
        """Return the kills so far; None when the file cannot be read or has no such line."""
        with suppress(OSError, ValueError):
            # In bytes and without a loop over all lines: a restart after a kill waits for this.
            _, _, rest = b"\n".join((b"", self.path.read_bytes())).partition(_KEY)
            return int(rest.partition(b"\n")[0])
        return None


def find_counter(
    membership: Path = _MEMBERSHIP, groups: Path = _CGROUPS, machine: Path = _MACHINE
) -> KillCounter | None:
    """Return the nearest counter that can be read; None where the kernel shows none."""
    candidates = (*(KillCounter(path) for path in _of_groups(membership, groups)), KillCounter(machine))
    return next((counter for counter in candidates if counter.read() is not None), None)


class OomWatch:
    """Remembers the count of some seconds ago. Times are monotonic seconds; nothing here raises."""

    def __init__(self, counter: Kills | None) -> None:
        self._counter = counter
        self._seen: tuple[tuple[float, int], ...] = ()
        self._claimed = 0

    def look(self, now: float) -> None:
        """Note the count. To be called every :data:`RECENT_S` seconds."""
        count = None if self._counter is None else self._counter.read()
        if count is not None:
            old, recent = self._split(now)
            self._seen = (*old[-1:], *recent, (now, count))

    def claim(self, now: float) -> bool:
        """Say whether a kill of the last seconds can explain a death; each kill explains one death."""
        count = None if self._counter is None else self._counter.read()
        if count is None or not self._seen:
            return False
        old, recent = self._split(now)
        _, before = (old or recent[:1])[-1]
        explained = max(before, self._claimed)
        if count <= explained:
            return False
        self._claimed = explained + 1
        return True

    def _split(self, now: float) -> tuple[tuple[tuple[float, int], ...], tuple[tuple[float, int], ...]]:
        old = tuple(seen for seen in self._seen if seen[0] <= now - RECENT_S)
        return old, self._seen[len(old) :]


def _of_groups(membership: Path, groups: Path) -> Iterator[Path]:
    """Yield where this process's control group may have its counter, the nearest first."""
    lines = []
    with suppress(OSError):
        lines = membership.read_text().splitlines()
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        own = path.lstrip("/")
        if not controllers:
            yield groups / own / "memory.events"
        elif "memory" in controllers.split(","):
            yield groups / "memory" / own / "memory.oom_control"
