"""The simulated market as an exchange: it speaks Binance's language, over no socket. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from workers.feed.simulated.market import MINUTE_MS, STEP, TICK, SimulatedCandle, SimulatedMarket

QUOTE_EVERY_MS: Final = 1000
KLINE_EVERY_MS: Final = 2000
MOST_ROWS: Final = 1000


class SimulatedExchange:
    """What it sends and answers; ``symbol`` is the exchange's own name of the market."""

    def __init__(self, market: SimulatedMarket, symbol: str) -> None:
        self._market, self._symbol = market, symbol

    def frames(self, after_ms: int, through_ms: int) -> tuple[str, ...]:
        """Return all frames of a span of time, in order."""
        found = [*self._trades(after_ms, through_ms), *self._quotes(after_ms, through_ms)]
        found += [*self._klines(after_ms, through_ms)]
        found.sort(key=lambda frame: frame[0])
        return tuple(msgspec.json.encode(frame).decode() for _, frame in found)

    def answer(self, path: str, query: Mapping[str, str], now_ms: int) -> str | None:
        """Return the body of an HTTP answer; None for what it does not know."""
        if path.endswith("/time"):
            return _text({"serverTime": now_ms})
        if path.endswith("/klines"):
            return _text(self._history(query, now_ms))
        if path.endswith("/exchangeInfo"):
            filters = [
                {"filterType": "PRICE_FILTER", "tickSize": str(TICK)},
                {"filterType": "LOT_SIZE", "stepSize": str(STEP), "minQty": str(STEP)},
                {"filterType": "NOTIONAL", "minNotional": "5"},
            ]
            return _text({"symbols": [{"symbol": self._symbol, "filters": filters}]})
        return None

    def _history(self, query: Mapping[str, str], now_ms: int) -> list[list[Any]]:
        start_ms = -(-int(query.get("startTime", 0)) // MINUTE_MS) * MINUTE_MS
        limit = min(int(query.get("limit", 500)), MOST_ROWS)
        opens = range(start_ms, min(start_ms + limit * MINUTE_MS, now_ms + 1), MINUTE_MS)
        candles = (self._market.candle(open_ms, now_ms) for open_ms in opens)
        return [
            [it.open_ms, *map(str, it.prices), str(it.volume), it.open_ms + MINUTE_MS - 1]
            for it in candles
            if it is not None
        ]

    def _trades(self, after_ms: int, through_ms: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for trade in self._market.trades(after_ms, through_ms):
            yield trade.at_ms, {
                "e": "trade", "E": trade.at_ms, "s": self._symbol, "t": trade.number, "p": str(trade.price),
                "q": str(trade.amount), "m": not trade.buy, "T": trade.at_ms,
            }  # fmt: skip

    def _quotes(self, after_ms: int, through_ms: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for at_ms in _grid(after_ms, through_ms, QUOTE_EVERY_MS):
            bid = self._market.price(at_ms)
            yield at_ms, {
                "e": "bookTicker", "s": self._symbol, "b": str(bid), "B": "1.5",
                "a": str(bid + self._market.spread(at_ms)), "A": "1.5", "T": at_ms, "E": at_ms,
            }  # fmt: skip

    def _klines(self, after_ms: int, through_ms: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for at_ms in _grid(after_ms, through_ms, KLINE_EVERY_MS):
            open_ms = at_ms // MINUTE_MS * MINUTE_MS
            closed = at_ms == open_ms
            candle = self._market.candle(open_ms - MINUTE_MS if closed else open_ms, at_ms)
            if candle is not None:
                yield at_ms, self._kline(candle, at_ms, closed=closed)

    def _kline(self, candle: SimulatedCandle, at_ms: int, *, closed: bool) -> dict[str, Any]:
        opened, high, low, close = map(str, candle.prices)
        k = {
            "t": candle.open_ms, "i": "1m", "o": opened, "h": high, "l": low, "c": close,
            "v": str(candle.volume), "x": closed,
        }  # fmt: skip
        return {"e": "kline", "E": at_ms, "s": self._symbol, "k": k}


def _grid(after_ms: int, through_ms: int, every_ms: int) -> range:
    return range(after_ms // every_ms * every_ms + every_ms, through_ms + 1, every_ms)


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
