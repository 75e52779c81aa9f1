"""The life of one process, as a table.

Rules for this file: a phase is what the *process* is, never what anyone wants of it; an absent pair is a
defect of the caller and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Phase(Enum):
    """What a child's process is."""

    DOWN = "down"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Seen(Enum):
    """What can happen to it."""

    SPAWN = "spawn"
    READY = "ready"
    STOP = "stop"
    EXITED = "exited"
    IGNORED = "ignored"


class IllegalTransition(Exception):
    """The engine met something that cannot follow what it already knows."""

    def __init__(self, child: str, phase: Phase, seen: Seen) -> None:
        super().__init__(child, phase, seen)
        self.child, self.phase, self.seen = child, phase, seen

    def __str__(self) -> str:
        return f"child {self.child!r} was {self.phase.value}, then {self.seen.value}: this cannot be"


NEXT: Mapping[tuple[Phase, Seen], Phase] = {
    (Phase.DOWN, Seen.SPAWN): Phase.STARTING,
    (Phase.STARTING, Seen.READY): Phase.READY,
    (Phase.STARTING, Seen.STOP): Phase.STOPPING,
    (Phase.STARTING, Seen.EXITED): Phase.DOWN,
    (Phase.STARTING, Seen.IGNORED): Phase.DOWN,
    (Phase.READY, Seen.READY): Phase.READY,  # said twice: harmless
    (Phase.READY, Seen.STOP): Phase.STOPPING,
    (Phase.READY, Seen.EXITED): Phase.DOWN,
    (Phase.STOPPING, Seen.READY): Phase.STOPPING,  # it answered after it was asked: keep stopping
    (Phase.STOPPING, Seen.EXITED): Phase.DOWN,
    (Phase.STOPPING, Seen.IGNORED): Phase.DOWN,
}


def advance(child: str, phase: Phase, seen: Seen) -> Phase:
    """The phase that follows. Raises IllegalTransition."""
    try:
        return NEXT[phase, seen]
    except KeyError:
        raise IllegalTransition(child, phase, seen) from None
