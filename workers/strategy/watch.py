"""One market that a strategy follows: who it is, and the last candles that may be seen."""

from __future__ import annotations

from collections import deque

from msgspec import Raw

from protocol.codec import MARKET
from protocol.messages.market import Candle
from protocol.messages.stream import MarketRole
from workers.strategy.state import Watched


class Watch:
    """Holds the window of a market; the bytes in which the candles came are kept beside them."""

    def __init__(self, role: MarketRole, length: int, number: int, kept: Watched | None = None) -> None:
        self.role = role
        self.number = number
        self.length = length
        self._bodies: deque[Raw] = deque(maxlen=length)
        self._candles: deque[Candle] = deque(maxlen=length)
        kept = kept or Watched()
        self._newest = (kept.open_ms, kept.nth)
        self.ended = kept.ended
        for body in kept.history:
            candle = MARKET.decode(body)
            if isinstance(candle, Candle):
                self._bodies.append(body)
                self._candles.append(candle)

    def take(self, candle: Candle, body: Raw) -> bool:
        """Add a candle, the oldest one goes when there are enough; False: it is not newer than the last
        one."""
        if not self.newer(candle):
            return False
        self._newest = (candle.open_ms, candle.nth)
        self._candles.append(candle)
        self._bodies.append(body)
        return True

    def completes(self, candle: Candle) -> bool:
        """Whether there would be enough for an evaluation with ``candle``."""
        return self.newer(candle) and len(self._candles) >= self.length - 1

    def newer(self, candle: Candle) -> bool:
        """Whether it comes after all that were taken."""
        return (candle.open_ms, candle.nth) > self._newest

    @property
    def full(self) -> bool:
        """Whether there are as many as an evaluation needs."""
        return len(self._candles) >= self.length

    @property
    def candles(self) -> tuple[Candle, ...]:
        """The candles, the newest last."""
        return tuple(self._candles)

    @property
    def newest(self) -> Candle | None:
        """The newest candle."""
        return self._candles[-1] if self._candles else None

    def kept(self) -> Watched:
        """Return what goes to the disk."""
        return Watched(tuple(self._bodies), *self._newest, self.ended)
