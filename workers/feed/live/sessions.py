"""Opening hours from a kept calendar: the library exchange_calendars (the extra ``calendar``)."""

from __future__ import annotations

import importlib.util
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from workers.shared.exits import PersonMustLook

EXTRA_MISSING: Final = "exchange_calendars is not installed: pip install 'supervisor-tree[calendar]'"
BEHIND: Final = timedelta(days=40)
AHEAD: Final = timedelta(days=300)
"""To read a calendar takes a second or two, which the loop should not meet often."""
DAY_MS: Final = 86_400_000

Load = Callable[[date, date], Sequence[tuple[int, int]]]
"""From the first to the last day: when each session opens and closes (UTC ms), in order, without overlap."""


class BadCalendar(PersonMustLook):
    """No calendar of this name is known."""

    def __init__(self, *, name: str, found: str) -> None:
        super().__init__(name, found)
        self.name, self.found = name, found

    def __str__(self) -> str:
        return f"calendar {self.name!r}: {self.found}; a name is an exchange's MIC such as XNYS"


class Sessions:
    """A calendar of sessions, of which those around the time asked for are kept."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._from_ms = self._to_ms = 0
        self._edges: list[int] = []

    def open_at(self, at_ms: int) -> bool:
        """Whether trading is on at this UTC time."""
        self._know(at_ms)
        return bisect_right(self._edges, at_ms) % 2 == 1

    def next_change_ms(self, at_ms: int) -> int | None:
        """Return the next time at which it opens or closes; None: not for months."""
        self._know(at_ms)
        place = bisect_right(self._edges, at_ms)
        return self._edges[place] if place < len(self._edges) else None

    def _know(self, at_ms: int) -> None:
        # Two weeks ahead must be there, for no market is closed as long.
        if self._from_ms + DAY_MS <= at_ms <= self._to_ms - 14 * DAY_MS:
            return
        today = datetime.fromtimestamp(at_ms / 1000, tz=UTC).date()
        first, last = today - BEHIND, today + AHEAD
        self._edges = [edge for session in self._load(first, last) for edge in session]
        self._from_ms, self._to_ms = _midnight_ms(first), _midnight_ms(last)


def installed() -> bool:
    """Whether the extra is there; nothing is imported to find out."""
    return importlib.util.find_spec("exchange_calendars") is not None


def kept_calendar(name: str) -> Load:
    """Return what reads the calendar ``name``. Raises BadCalendar."""
    # Late: it brings pandas.
    import exchange_calendars

    if name not in exchange_calendars.get_calendar_names():
        raise BadCalendar(name=name, found="no such calendar")

    def load(first: date, last: date) -> Sequence[tuple[int, int]]:
        try:
            table = exchange_calendars.get_calendar(name, start=first, end=last).schedule
        except ValueError:
            # The holidays of some are known to the end of the year only.
            table = _to_the_end_of_the_year(name, first, (first + BEHIND).year)
        return [session for row in table.itertuples() for session in _halves(row)]

    return load


def _to_the_end_of_the_year(name: str, first: date, year: int) -> Any:
    import exchange_calendars

    try:
        return exchange_calendars.get_calendar(name, start=first, end=date(year, 12, 31)).schedule
    except ValueError as error:
        raise BadCalendar(name=name, found=str(error)) from error


def _halves(row: Any) -> tuple[tuple[int, int], ...]:
    opens, closes = _ms(row.open), _ms(row.close)
    # A market without a break at noon has no time there.
    if row.break_start != row.break_start:
        return ((opens, closes),)
    return ((opens, _ms(row.break_start)), (_ms(row.break_end), closes))


def _ms(at: Any) -> int:
    return round(float(at.timestamp()) * 1000)


def _midnight_ms(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
