"""Which critical news must go out although the child that usually tells people is down. Pure.

That child follows the events with a cursor: what happens while it is away it tells when it is back. Only
when it stays away for longer than ``after`` seconds somebody else has to, once for each alert.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from protocol.messages.notice import SupervisionEvent
from supervisor.runtime.report import level_of, sentence_of
from supervisor.runtime.utc import iso

_KEPT: Final = 100
_ENDS: Final = frozenset({"exited", "parked", "held"})


@dataclass(frozen=True)
class Alert:
    """``facts`` are what a program reads, ``sentence`` what a person does."""

    sentence: str
    facts: dict[str, Any]


class Alerts:
    """``teller`` is the id of that child, which is away until it is ready."""

    def __init__(self, teller: str, after: float, now: float) -> None:
        self._teller, self._after = teller, after
        self._away_since: float | None = now
        self._waiting: deque[Alert] = deque(maxlen=_KEPT)

    def hear(self, event: SupervisionEvent, now: float, wall_s: float) -> None:
        """Take an event at monotonic ``now``; ``wall_s`` is the same moment as UTC seconds."""
        if event.child == self._teller:
            self._hear_of_teller(event, now)
        if self._away_since is not None and level_of(event) == "CRITICAL":
            self._waiting.append(alert_of(event, wall_s))

    def due(self, now: float) -> tuple[Alert, ...]:
        """Hand over, once, what has waited long enough for the teller."""
        if self._away_since is None or now - self._away_since < self._after:
            return ()
        due = tuple(self._waiting)
        self._waiting.clear()
        return due

    def _hear_of_teller(self, event: SupervisionEvent, now: float) -> None:
        if event.event == "ready":
            self._away_since = None
            self._waiting.clear()
        elif event.event in _ENDS and self._away_since is None:
            self._away_since = now


def alert_of(event: SupervisionEvent, wall_s: float) -> Alert:
    """What is to be told of an event."""
    facts = {"at": iso(wall_s), "event": event.event, "child": event.child, "incarnation": event.incarnation}
    sentence = sentence_of(event)
    return Alert(sentence, {**facts, **event.facts, "level": "critical", "message": sentence})
