"""Whether the market is open now, and which candles fall into closed hours. Pure."""

from __future__ import annotations

from typing import Final

from workers.feed.live.candles import Candles
from workers.feed.live.hours import Calendar

NEVER_MS: Final = 2**62


class Opening:
    """Follows a calendar, asked only when something may have changed; without one it is always open."""

    def __init__(self, hours: Calendar | None) -> None:
        self._hours = hours
        self.open, self.until_ms = True, 0

    def look(self, exchange_ms: int) -> None:
        """Learn the exchange's time."""
        if exchange_ms < self.until_ms:
            return
        if self._hours is not None:
            self.open = self._hours.open_at(exchange_ms)
        change_ms = None if self._hours is None else self._hours.next_change_ms(exchange_ms)
        self.until_ms = NEVER_MS if change_ms is None else change_ms

    def skip(self, candles: Candles, base_ms: int, exchange_ms: int) -> None:
        """Leave out the candles that lie wholly in closed hours."""
        hours = self._hours
        if hours is None:
            return
        first_ms = open_ms = candles.last_open_ms + base_ms
        while open_ms + base_ms <= exchange_ms and not hours.open_at(open_ms):
            change_ms = hours.next_change_ms(open_ms)
            until_ms = exchange_ms if change_ms is None else min(change_ms, exchange_ms)
            # A candle that reaches into a session belongs to it.
            if open_ms + base_ms > until_ms:
                break
            open_ms += (until_ms - open_ms) // base_ms * base_ms
        if open_ms > first_ms:
            candles.close_until(open_ms)
