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
from workers.feed.exchanges.events import (
    Acknowledged,
    BadFrame,
    BestQuote,
    Event,
    Kline,
    MarkPrice,
    Pong,
    Print,
    Refused,
    UnknownMarket,
)
from workers.feed.exchanges.port import Kind, Line, Market, Request, Stream
from workers.feed.exchanges.reading import (
    decoded,
    flag,
    identity,
    instant,
    instant_at,
    mapping,
    member,
    number,
    number_at,
    optional_number,
    sequence,
    told,
)

INTERVALS: Final[Mapping[str, str]] = {"1m": "1", "5m": "5", "15m": "15", "1h": "60", "4h": "240", "1D": "D"}
HISTORY_LIMIT: Final = 1000
SIDES: Final = {"Buy": "buy", "Sell": "sell"}


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

    def parse_history(self, market: Market, text: str | bytes) -> tuple[Kline, ...]:
        """Return candles, oldest first."""
        rows = [sequence(row, least=6) for row in sequence(member(_result(text), "list"))]
        found = [Kline.of(instant(row[0]), (number(row[n]) for n in range(1, 6))) for row in rows]
        return tuple(sorted(found, key=lambda kline: kline.open_ms))

    def instrument(self, market: Market) -> Request:
        """Ask for the market's grids."""
        query = {"category": _category(market.kind), "symbol": market.pair.joined()}
        return Request("/v5/market/instruments-info", query)

    def parse_instrument(self, market: Market, text: str | bytes) -> Instrument:
        """Return the market's grids."""
        for row in sequence(member(_result(text), "list")):
            if member(row, "symbol") == market.pair.joined():
                return _instrument(market.kind, row)
        raise UnknownMarket(market.pair.joined())

    def clock(self, kind: Kind) -> Request | None:
        """Ask for the time."""
        return Request("/v5/market/time")

    def parse_clock(self, text: str | bytes) -> int:
        """Return UTC milliseconds."""
        return instant_at(decoded(text), "time")


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

    def parse(self, text: str | bytes) -> tuple[Event, ...]:
        """Return what a frame says. Raises BadFrame."""
        frame = mapping(decoded(text))
        if "topic" not in frame:
            return _control(frame)
        topic = told(frame["topic"])
        if topic == self._kline:
            return tuple(_kline(mapping(row), frame) for row in sequence(member(frame, "data")))
        if topic == self._trade:
            return tuple(_print(mapping(row)) for row in sequence(member(frame, "data")))
        if topic == self._ticker:
            return self._on_ticker(frame)
        return self._on_book(frame) if topic == self._book else ()

    def _on_ticker(self, frame: Mapping[str, Any]) -> tuple[Event, ...]:
        data = mapping(member(frame, "data"))
        if frame.get("type") != "delta":
            self._known = {}
        known = {**self._known, **data}
        at_ms = instant_at(frame, "ts")
        if known.get("markPrice") in (None, ""):
            self._known = known
            return ()
        next_ms = known.get("nextFundingTime")
        mark = MarkPrice(
            mark=number_at(known, "markPrice"),
            at_ms=at_ms,
            index=optional_number(known, "indexPrice"),
            rate=optional_number(known, "fundingRate"),
            next_funding_ms=instant(next_ms) if next_ms not in (None, "", "0") else None,
        )
        self._known = known
        return (mark,)

    def _on_book(self, frame: Mapping[str, Any]) -> tuple[Event, ...]:
        data = mapping(member(frame, "data"))
        best = {} if frame.get("type") == "snapshot" else dict(self._best)
        for side in ("b", "a"):
            for row in sequence(data.get(side, [])):
                price, size = (number(value) for value in sequence(row, least=2)[:2])
                if size:
                    best[side] = (price, size)
                elif best.get(side, (None,))[0] == price:
                    best.pop(side)
        at_ms = instant(data["cts"] if "cts" in data else frame.get("cts", member(frame, "ts")))
        self._best = best
        return (BestQuote.of((*best["b"], *best["a"]), at_ms),) if len(best) == 2 else ()


def _kline(row: Mapping[str, Any], frame: Mapping[str, Any]) -> Kline:
    prices = (number_at(row, key) for key in ("open", "high", "low", "close", "volume"))
    at_ms = instant(frame["ts"]) if "ts" in frame else None
    return Kline.of(instant_at(row, "start"), prices, closed=flag(member(row, "confirm")), at_ms=at_ms)


def _print(row: Mapping[str, Any]) -> Print:
    side = SIDES.get(told(member(row, "S")))
    if side is None:
        raise BadFrame("side", row["S"])
    return Print(
        trade_id=identity(member(row, "i")),
        price=number_at(row, "p"),
        amount=number_at(row, "v"),
        side="buy" if side == "buy" else "sell",
        at_ms=instant_at(row, "T"),
        # A block trade was agreed on elsewhere: no evidence of a price here.
        ordinary=row.get("BT") is not True,
    )


def _control(frame: Mapping[str, Any]) -> tuple[Event, ...]:
    if frame.get("op") == "pong" or frame.get("ret_msg") == "pong":
        return (Pong(),)
    if frame.get("success") is False:
        return (Refused(told(frame.get("ret_msg"))),)
    if frame.get("success") is True:
        return (Acknowledged(told(frame.get("op"))),)
    raise BadFrame("unknown", list(frame)[:5])


def _instrument(kind: Kind, row: Mapping[str, Any]) -> Instrument:
    lot = mapping(member(row, "lotSizeFilter"))
    step = lot.get("qtyStep") or member(lot, "basePrecision")
    notional = lot.get("minNotionalValue") or lot.get("minOrderAmt")
    return Instrument(
        tick=number_at(member(row, "priceFilter"), "tickSize"),
        step=number(step),
        min_quantity=number_at(lot, "minOrderQty"),
        min_notional=number(notional or 0),
        contract="spot" if kind == "spot" else "linear",
    )


def _result(text: str | bytes) -> Any:
    answer = mapping(decoded(text))
    if answer.get("retCode", 0) != 0:
        raise BadFrame("refused", told(answer.get("retMsg")))
    return member(answer, "result")


def _category(kind: Kind) -> str:
    return "spot" if kind == "spot" else "linear"


def _ping(_at_ms: int) -> str:
    return '{"op":"ping"}'
