"""Opening hours from a kept calendar (the extra ``calendar``): when each session begins and ends."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from loguru import logger

from workers.shared.exits import PersonMustLook

BEHIND: Final = timedelta(days=800)
"""The longest past that is ever caught up with: 700 candles of a day."""
AHEAD: Final = timedelta(days=400)
RENEW: Final = timedelta(days=200)
"""With less than this ahead, the calendar is read again, once a day."""
DAY_MS: Final = 86_400_000
MILLISECOND: Final = timedelta(milliseconds=1)

Later = Callable[[Callable[[], None]], None]


@dataclass(frozen=True)
class Span:
    """What is known of a calendar: ``sessions`` (UTC ms, in order, without overlap) of these days."""

    first: date
    last: date
    sessions: Sequence[tuple[int, int]]


Load = Callable[[date, date], Span]
"""From the first and last day that are wished for to what there is. Raises BadCalendar."""


class BadCalendar(PersonMustLook):
    """A calendar is not known, or not far enough."""

    def __init__(self, *, name: str, found: str) -> None:
        super().__init__(name, found)
        self.name, self.found = name, found

    def __str__(self) -> str:
        return f"calendar {self.name!r}: {self.found}"


class Sessions:
    """A calendar of sessions, read for years around ``at_ms``, which takes seconds; again by ``later``."""

    def __init__(self, name: str, load: Load, at_ms: int, later: Later | None = None) -> None:
        self._name, self._load = name, load
        self._later = _in_a_thread if later is None else later
        self._edges: list[int] = []
        self._from_ms = self._to_ms = self._renew_ms = 0
        self._read(at_ms)

    def open_at(self, at_ms: int) -> bool:
        """Whether trading is on at this UTC time; before all that is known: yes. Raises BadCalendar."""
        self._know(at_ms)
        return at_ms < self._from_ms or bisect_right(self._edges, at_ms) % 2 == 1

    def next_change_ms(self, at_ms: int) -> int | None:
        """Return the next time at which it opens or closes, or at which the calendar is to be asked again."""
        self._know(at_ms)
        place = bisect_right(self._edges, at_ms)
        return self._edges[place] if place < len(self._edges) else self._to_ms

    def _know(self, at_ms: int) -> None:
        if at_ms >= self._renew_ms:
            self._renew_ms = at_ms + DAY_MS
            self._later(lambda: self._read(at_ms))
        if at_ms >= self._to_ms:
            last = datetime.fromtimestamp(self._to_ms / 1000, tz=UTC).date()
            raise BadCalendar(
                name=self._name, found=f"known until {last} only: install a newer exchange_calendars"
            )

    def _read(self, at_ms: int) -> None:
        today = datetime.fromtimestamp(at_ms / 1000, tz=UTC).date()
        span = self._load(today - BEHIND, today + AHEAD)
        self._edges = [edge for session in span.sessions for edge in session]
        self._from_ms, self._to_ms = _midnight_ms(span.first), _midnight_ms(span.last)
        self._renew_ms = max(self._to_ms - RENEW // MILLISECOND, at_ms + DAY_MS)


def _in_a_thread(read: Callable[[], None]) -> None:
    def told() -> None:
        try:
            read()
        except BadCalendar as error:
            logger.warning("calendar not read again: {}", error)

    threading.Thread(target=told, name="calendar", daemon=True).start()


def _midnight_ms(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
