"""Bybit, API v5.

https://bybit-exchange.github.io/docs/v5/ws/connect

Tickers and books come as a snapshot and then as what changed, so a session remembers them. Data may come
before the acknowledgement of their subscription, and one kline frame may hold the closed candle and the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from protocol.messages.market import Instrument
from workers.feed.exchanges import events
from workers.feed.exchanges import reading as read
from workers.feed.exchanges.port import Kind, Line, Market, Request, Stream

INTERVALS: Final[Mapping[str, str]] = {"1m": "1", "5m": "5", "15m": "15", "1h": "60", "4h": "240", "1D": "D"}
HISTORY_LIMIT: Final = 1000
FUNDING_LIMIT: Final = 200


class Bybit:
    """Spot and linear perpetuals."""

    name: Final = "bybit"
    kinds: tuple[Kind, ...] = ("spot", "perpetual")
    timeframes = frozenset(INTERVALS)

    def rest_base(self, kind: Kind) -> str:
        """Return the address of the REST interface."""
        return "https://api.bybit.com"

    def lines(self, market: Market) -> tuple[Line, ...]:
        """Return the one connection."""
        symbol = market.pair.joined()
        topics = [
            f"kline.{INTERVALS[market.timeframe]}.{symbol}",
            f"orderbook.1.{symbol}",
            f"publicTrade.{symbol}",
        ]
        streams = [Stream("candles", prompt=True), Stream("quotes", prompt=True), Stream("trades")]
        if market.kind == "perpetual":
            topics.append(f"tickers.{symbol}")
            streams.append(Stream("marks", prompt=True))
        hello = msgspec.json.encode({"op": "subscribe", "args": topics}).decode()
        path = f"/v5/public/{_category(market.kind)}"
        return (Line("market", "wss://stream.bybit.com", path, (hello,), tuple(streams), ping=_ping),)

    def session(self, market: Market) -> BybitSession:
        """Return the understanding of a new connection."""
        return BybitSession(market)

    def history(self, market: Market, start_ms: int, count: int) -> Request:
        """Ask for candles."""
        query = {
            "category": _category(market.kind),
            "symbol": market.pair.joined(),
            "interval": INTERVALS[market.timeframe],
            "start": str(start_ms),
            "limit": str(min(count, HISTORY_LIMIT)),
        }
        return Request("/v5/market/kline", query)

    def parse_history(self, market: Market, text: str | bytes) -> tuple[events.Kline, ...]:
        """Return candles, oldest first."""
        return read.candles(read.member(_result(text), "list"))

    def fundings(self, market: Market, start_ms: int, end_ms: int) -> Request | None:
        """Ask for the fundings of a contract; a beginning without an end is refused."""
        if market.kind == "spot":
            return None
        query = {"category": "linear", "symbol": market.pair.joined(), "limit": str(FUNDING_LIMIT)}
        times = {"startTime": str(start_ms), "endTime": str(end_ms)}
        return Request("/v5/market/funding/history", {**query, **times})

    def parse_fundings(self, market: Market, text: str | bytes) -> tuple[events.PastFunding, ...]:
        """Return the fundings."""
        return read.past_fundings(read.member(_result(text), "list"), "fundingRateTimestamp")

    def instrument(self, market: Market) -> Request:
        """Ask for the market's grids."""
        query = {"category": _category(market.kind), "symbol": market.pair.joined()}
        return Request("/v5/market/instruments-info", query)

    def parse_instrument(self, market: Market, text: str | bytes) -> Instrument:
        """Return the market's grids."""
        for row in read.sequence(read.member(_result(text), "list")):
            if read.member(row, "symbol") == market.pair.joined():
                return _instrument(market.kind, row)
        raise events.UnknownMarket(market.pair.joined())

    def clock(self, kind: Kind) -> Request | None:
        """Ask for the time."""
        return Request("/v5/market/time")

    def parse_clock(self, text: str | bytes) -> int:
        """Return UTC milliseconds."""
        return read.instant_at(read.decoded(text), "time")


class BybitSession:
    """Remembers the last ticker and the last best quote, on which deltas build."""

    def __init__(self, market: Market) -> None:
        self._kind = market.kind
        symbol = market.pair.joined()
        self._kline = f"kline.{INTERVALS[market.timeframe]}.{symbol}"
        self._trade, self._ticker = f"publicTrade.{symbol}", f"tickers.{symbol}"
        self._book = f"orderbook.1.{symbol}"
        self._known: dict[str, Any] = {}
        self._best: dict[str, tuple[Decimal, Decimal]] = {}

    def parse(self, text: str | bytes) -> tuple[events.Event, ...]:
        """Return what a frame says. Raises BadFrame."""
        frame = read.mapping(read.decoded(text))
        if "topic" not in frame:
            return _control(frame)
        topic = read.told(frame["topic"])
        if topic == self._kline:
            return tuple(
                _kline(read.mapping(row), frame) for row in read.sequence(read.member(frame, "data"))
            )
        if topic == self._trade:
            return tuple(_print(row) for row in read.sequence(read.member(frame, "data")))
        if topic == self._ticker:
            return self._on_ticker(frame)
        return self._on_book(frame) if topic == self._book else ()

    def _on_ticker(self, frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
        data = read.mapping(read.member(frame, "data"))
        if frame.get("type") != "delta":
            self._known = {}
        known = {**self._known, **data}
        at_ms = read.instant_at(frame, "ts")
        if known.get("markPrice") in (None, ""):
            self._known = known
            return ()
        next_ms = known.get("nextFundingTime")
        mark = events.MarkPrice(
            mark=read.number_at(known, "markPrice"),
            at_ms=at_ms,
            index=read.optional_number(known, "indexPrice"),
            rate=read.optional_number(known, "fundingRate"),
            next_funding_ms=read.instant(next_ms) if next_ms not in (None, "", "0") else None,
        )
        self._known = known
        return (mark,)

    def _on_book(self, frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
        data = read.mapping(read.member(frame, "data"))
        best = {} if frame.get("type") == "snapshot" else dict(self._best)
        for half in ("b", "a"):
            for row in read.sequence(data.get(half, [])):
                price, size = (read.number(value) for value in read.sequence(row, least=2)[:2])
                if size:
                    best[half] = (price, size)
                elif best.get(half, (None,))[0] == price:
                    best.pop(half)
        at_ms = read.instant(data["cts"] if "cts" in data else frame.get("cts", read.member(frame, "ts")))
        self._best = best
        return (events.BestQuote.of((*best["b"], *best["a"]), at_ms),) if len(best) == 2 else ()


def _kline(row: Mapping[str, Any], frame: Mapping[str, Any]) -> events.Kline:
    prices = (read.number_at(row, key) for key in ("open", "high", "low", "close", "volume"))
    at_ms = read.instant(frame["ts"]) if "ts" in frame else None
    return events.Kline.of(
        read.instant_at(row, "start"), prices, closed=read.flag(read.member(row, "confirm")), at_ms=at_ms
    )


def _print(row: Any) -> events.Print:
    # A block trade was agreed on elsewhere: no evidence of a price here.
    ordinary = read.mapping(row).get("BT") is not True
    return read.printed(row, ("i", "p", "v", "S", "T"), ordinary=ordinary)


def _control(frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
    if frame.get("op") == "pong" or frame.get("ret_msg") == "pong":
        return (events.Pong(),)
    if frame.get("success") is False:
        return (events.Refused(read.told(frame.get("ret_msg"))),)
    if frame.get("success") is True:
        return (events.Acknowledged(read.told(frame.get("op"))),)
    raise events.BadFrame("unknown", list(frame)[:5])


def _instrument(kind: Kind, row: Mapping[str, Any]) -> Instrument:
    lot = read.mapping(read.member(row, "lotSizeFilter"))
    step = lot.get("qtyStep") or read.member(lot, "basePrecision")
    notional = lot.get("minNotionalValue") or lot.get("minOrderAmt")
    return Instrument(
        tick=read.number_at(read.member(row, "priceFilter"), "tickSize"),
        step=read.number(step),
        min_quantity=read.number_at(lot, "minOrderQty"),
        min_notional=read.number(notional or 0),
        contract="spot" if kind == "spot" else "linear",
    )


def _result(text: str | bytes) -> Any:
    answer = read.mapping(read.decoded(text))
    if answer.get("retCode", 0) != 0:
        raise events.BadFrame("refused", read.told(answer.get("retMsg")))
    return read.member(answer, "result")


def _category(kind: Kind) -> str:
    return "spot" if kind == "spot" else "linear"


def _ping(_at_ms: int) -> str:
    return '{"op":"ping"}'
