"""Candles from trades. Pure."""

from __future__ import annotations

from dataclasses import replace

from workers.feed.exchanges.events import Kline, Print
from workers.feed.live.finality import GRACE_MS
from workers.feed.live.resample import merge


class Builder:
    """Collects the trades of each interval of ``length_ms``.

    The interval that was under way at ``since_ms``, the begin of watching, is left out: it would lack its
    beginning. Trades may come a little out of order.
    """

    def __init__(self, length_ms: int, since_ms: int = 0) -> None:
        self._length_ms = length_ms
        self._first_ms = -(-since_ms // length_ms) * length_ms
        self._open: dict[int, Kline] = {}
        self._done_ms = self._first_ms

    def take(self, trade: Print) -> None:
        """Add a trade; one of a candle that is out already is too late."""
        open_ms = trade.at_ms - trade.at_ms % self._length_ms
        if open_ms < self._done_ms:
            return
        price = trade.price
        one = Kline.of(open_ms, (price, price, price, price, trade.amount))
        so_far = self._open.get(open_ms)
        self._open[open_ms] = one if so_far is None else merge(so_far, one)

    def closed(self, exchange_ms: int) -> tuple[Kline, ...]:
        """Return the candles whose interval is two seconds over, marked closed, oldest first; each once."""
        over = sorted(it for it in self._open if it + self._length_ms + GRACE_MS <= exchange_ms)
        if over:
            self._done_ms = over[-1] + self._length_ms
        return tuple(replace(self._open.pop(open_ms), closed=True) for open_ms in over)
