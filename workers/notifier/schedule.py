"""What comes round by the clock of the wall. Pure: the time is an argument.

Whatever was missed while nobody ran is due once. What failed is due again an hour
later, whatever the others do.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

AGAIN_MS: Final = 3_600_000
"""How long after a failure it is tried again."""


class Timer(Protocol):
    """Something that will be due."""

    def remaining_ms(self, at_ms: int) -> int | None:
        """How long until it is due (0: now); None when it never is."""
        ...


class Job(Timer, Protocol):
    """Something that comes round."""

    def begin(self, at_ms: int) -> None:
        """Count from now when nothing was counted yet, or when the clock was set back."""
        ...

    def take(self, at_ms: int) -> bool:
        """Whether it is due; if so it is done now."""
        ...

    def failed(self, at_ms: int) -> None:
        """Learn that what was taken could not be done."""
        ...


class Every(Struct):
    """Due every ``interval_ms`` after ``last_ms`` (0: never due; None: counting has not begun)."""

    interval_ms: int
    last_ms: int | None = None
    again_ms: int | None = None

    def begin(self, at_ms: int) -> None:
        """See :class:`Job`."""
        if self.last_ms is None or self.last_ms > at_ms:
            self.last_ms, self.again_ms = at_ms, None

    def take(self, at_ms: int) -> bool:
        """See :class:`Job`."""
        if self.remaining_ms(at_ms) != 0:
            return False
        self.last_ms, self.again_ms = at_ms, None
        return True

    def failed(self, at_ms: int) -> None:
        """See :class:`Job`."""
        self.again_ms = at_ms + AGAIN_MS

    def remaining_ms(self, at_ms: int) -> int | None:
        """See :class:`Job`."""
        if not self.interval_ms or self.last_ms is None:
            return None
        due = self.last_ms + self.interval_ms if self.again_ms is None else self.again_ms
        return max(due - at_ms, 0)


class Daily(Struct):
    """Due once a day at ``minute`` after midnight in ``zone``; ``last_ms`` is the occurrence done last.

    Where a clock change skips that minute the day's occurrence is as much later as the clock jumped; where
    it comes twice the first one counts.
    """

    minute: int
    zone: str = "UTC"
    last_ms: int | None = None
    again_ms: int | None = None

    def begin(self, at_ms: int) -> None:
        """See :class:`Job`."""
        if self.last_ms is None or self.last_ms > at_ms:
            self.last_ms, self.again_ms = self._newest(at_ms), None

    def take(self, at_ms: int) -> bool:
        """See :class:`Job`."""
        if self.remaining_ms(at_ms) != 0:
            return False
        self.last_ms, self.again_ms = self._newest(at_ms), None
        return True

    def failed(self, at_ms: int) -> None:
        """See :class:`Job`."""
        self.again_ms = at_ms + AGAIN_MS

    def remaining_ms(self, at_ms: int) -> int | None:
        """See :class:`Job`."""
        if self.last_ms is None:
            return None
        due = self.next_after(self.last_ms) if self.again_ms is None else self.again_ms
        return max(due - at_ms, 0)

    def set(self, minute: int, zone: str) -> None:
        """Come round at another time from now on; nothing is due because of that."""
        if (minute, zone) != (self.minute, self.zone):
            self.minute, self.zone, self.last_ms, self.again_ms = minute, zone, None, None

    def next_after(self, at_ms: int) -> int:
        """Return the first occurrence later than ``at_ms``."""
        today = _local(at_ms, self.zone).date()
        return next(found for days in range(-1, 4) if (found := self._on(today + timedelta(days))) > at_ms)

    def _newest(self, at_ms: int) -> int:
        today = _local(at_ms, self.zone).date()
        return next(
            found for days in range(1, -4, -1) if (found := self._on(today + timedelta(days))) <= at_ms
        )

    def _on(self, day: date) -> int:
        hour, minute = divmod(self.minute, 60)
        local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone_of(self.zone))
        return round(local.timestamp() * 1000)


def _local(at_ms: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, tz=zone_of(zone))


@cache
def zone_of(name: str) -> tzinfo:
    """Return the time zone of that name; UTC needs no files. Raises ZoneInfoNotFoundError and ValueError."""
    return UTC if name == "UTC" else ZoneInfo(name)
