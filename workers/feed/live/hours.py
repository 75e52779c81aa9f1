"""When a market is open. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

LONGEST_LOOK_DAYS: Final = 400


class Calendar(Protocol):
    """When a market is open: a port."""

    def open_at(self, at_ms: int) -> bool:
        """Whether trading is on at this UTC time."""
        ...

    def next_change_ms(self, at_ms: int) -> int | None:
        """Return the next time at which it opens or closes; None: never."""
        ...


@dataclass(frozen=True)
class Hours:
    """Open from ``opens`` to ``closes`` in ``zone`` on ``weekdays`` (0: Monday) that are no holidays.

    ``closes`` at or before ``opens`` means the next day.
    """

    zone: ZoneInfo
    opens: time
    closes: time
    weekdays: frozenset[int]
    holidays: frozenset[date] = field(default_factory=frozenset)

    def open_at(self, at_ms: int) -> bool:
        """Whether trading is on at this UTC time."""
        today = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(self.zone).date()
        # A session may have begun the day before.
        return any(self._within(day, at_ms) for day in (today - timedelta(days=1), today))

    def next_change_ms(self, at_ms: int) -> int | None:
        """Return the next time at which it opens or closes; None: never."""
        first = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(self.zone).date() - timedelta(days=1)
        for n in range(LONGEST_LOOK_DAYS):
            session = self._session(first + timedelta(days=n))
            later = [edge for edge in session or () if edge > at_ms]
            if later:
                return later[0]
        return None

    def _within(self, day: date, at_ms: int) -> bool:
        session = self._session(day)
        return session is not None and session[0] <= at_ms < session[1]

    def _session(self, day: date) -> tuple[int, int] | None:
        if day.weekday() not in self.weekdays or day in self.holidays:
            return None
        until = day if self.closes > self.opens else day + timedelta(days=1)
        return self._ms(day, self.opens), self._ms(until, self.closes)

    def _ms(self, day: date, at: time) -> int:
        return round(datetime.combine(day, at, tzinfo=self.zone).timestamp() * 1000)
