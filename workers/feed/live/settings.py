"""What of the configuration the live core needs, and the time as it sees it."""

from __future__ import annotations

from dataclasses import dataclass

from workers.feed.exchanges.port import Market
from workers.feed.live.hours import Calendar


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """What of the configuration the core needs.

    ``market`` has the timeframe that is asked for; ``timeframe`` and ``length_ms`` are those that go out.
    ``poll_s``: ask by REST this often instead of listening. ``from_trades``: make candles of trades.
    ``history``: how many candles to begin with.
    """

    symbol: str
    market: Market
    timeframe: str
    length_ms: int
    base_url: str = ""
    stale_after_s: float = 30.0
    poll_s: float | None = None
    from_trades: bool = False
    history: int = 100
    hours: Calendar | None = None

    @property
    def longest_silence_s(self) -> float:
        """After how many seconds without data the feed ends."""
        return self.stale_after_s if self.poll_s is None else max(self.stale_after_s, 3 * self.poll_s)


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment: monotonic seconds, UTC milliseconds by our clock and by the exchange's."""

    now: float
    at_ms: int
    exchange_ms: int
