"""Longer candles from shorter ones. Pure."""

from __future__ import annotations

import msgspec

from workers.feed.exchanges.events import Kline
from workers.feed.live.order import Slot


class Part(msgspec.Struct, frozen=True):
    """What there is of a longer candle; ``whole``: from its very beginning. Kept over restarts."""

    open_ms: int
    whole: bool
    kline: Kline | None = None
    backfilled: bool = False


class Resampler:
    """Makes candles of ``length_ms`` from ones of ``base_ms``; an incomplete first one is left out."""

    def __init__(self, base_ms: int, length_ms: int, part: Part | None = None) -> None:
        self._base_ms, self._length_ms = base_ms, length_ms
        self.part = part

    def take(self, slot: Slot) -> Slot | None:
        """Take the next interval; return the longer one when it is complete (without trades: no candle)."""
        start_ms = slot.open_ms - slot.open_ms % self._length_ms
        if self.part is None or self.part.open_ms != start_ms:
            self.part = Part(start_ms, whole=slot.open_ms == start_ms)
        self.part = _added(self.part, slot)
        if slot.open_ms + self._base_ms < start_ms + self._length_ms:
            return None
        done, self.part = self.part, None
        return Slot(start_ms, done.kline, done.backfilled) if done.whole else None


def _added(part: Part, slot: Slot) -> Part:
    kline = slot.kline
    if kline is None:
        return part
    so_far = part.kline
    merged = (
        Kline.of(part.open_ms, (kline.open, kline.high, kline.low, kline.close, kline.volume))
        if so_far is None
        else merge(so_far, kline)
    )
    return Part(part.open_ms, part.whole, merged, part.backfilled or slot.backfilled)


def merge(first: Kline, second: Kline) -> Kline:
    """Return both as one candle that opens with the first."""
    return Kline.of(
        first.open_ms,
        (
            first.open,
            max(first.high, second.high),
            min(first.low, second.low),
            second.close,
            first.volume + second.volume,
        ),
    )
