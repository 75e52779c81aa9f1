"""Bitunix futures, in the form of its documentation and in the older one that some addresses still speak.

https://www.bitunix.com/api-docs/futures/websocket/prepare/WebSocket.html

A candle carries no time of its own: it belongs to the interval of its message, and is closed when a message
of the next interval comes. Short channel names (``market_kline_1m``) are acknowledged and stay silent.
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
    Pinged,
    Pong,
    Print,
    Refused,
    UnknownMarket,
)
from workers.feed.exchanges.port import Kind, Line, Market, Request, Stream
from workers.feed.exchanges.reading import (
    date,
    decoded,
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

CHANNELS: Final[Mapping[str, str]] = {
    "1m": "1min", "5m": "5min", "15m": "15min", "1h": "60min", "4h": "4h", "1D": "1day",
}  # fmt: skip
INTERVALS: Final[Mapping[str, str]] = {
    "1m": "1m", "5m": "5m", "15m": "15m", "1h": "1h", "4h": "4h", "1D": "1d",
}  # fmt: skip
HISTORY_LIMIT: Final = 200
LONGEST_STEP: Final = 18


class Bitunix:
    """Perpetuals; ``older`` subscribes in the older form. Both are understood always."""

    name: Final = "bitunix"
    kinds: tuple[Kind, ...] = ("perpetual",)
    timeframes = frozenset(CHANNELS)

    def __init__(self, *, older: bool = False) -> None:
        self._older = older

    def rest_base(self, kind: Kind) -> str:
        """Return the address of the REST interface."""
        return "https://fapi.bitunix.com"

    def lines(self, market: Market) -> tuple[Line, ...]:
        """Return the one connection."""
        hello = _older_hello(market) if self._older else _hello(market)
        quotes = () if self._older else (Stream("trades"), Stream("marks", prompt=True))
        streams = (Stream("candles", prompt=True), Stream("quotes", prompt=True), *quotes)
        return (Line("market", "wss://fapi.bitunix.com", "/public/", hello, streams, ping=_ping),)

    def session(self, market: Market) -> BitunixSession:
        """Return the understanding of a new connection."""
        return BitunixSession(market)

    def history(self, market: Market, start_ms: int, count: int) -> Request:
        """Ask for candles."""
        query = {
            "symbol": market.pair.joined(),
            "interval": INTERVALS[market.timeframe],
            "startTime": str(start_ms),
            "endTime": str(start_ms + count * market.timeframe_ms),
            "limit": str(min(count, HISTORY_LIMIT)),
        }
        return Request("/api/v1/futures/market/kline", query)

    def parse_history(self, market: Market, text: str | bytes) -> tuple[Kline, ...]:
        """Return candles, oldest first."""
        found = [_row(mapping(row), "time") for row in sequence(_data(text))]
        return tuple(sorted(found, key=lambda kline: kline.open_ms))

    def instrument(self, market: Market) -> Request:
        """Ask for the market's grids."""
        return Request("/api/v1/futures/market/trading_pairs", {"symbols": market.pair.joined()})

    def parse_instrument(self, market: Market, text: str | bytes) -> Instrument:
        """Return the market's grids; they come as numbers of places."""
        for row in sequence(_data(text)):
            if member(row, "symbol") == market.pair.joined():
                return Instrument(
                    tick=_grid(member(row, "quotePrecision")),
                    step=_grid(member(row, "basePrecision")),
                    min_quantity=optional_number(row, "minTradeVolume") or Decimal(0),
                    contract="linear",
                )
        raise UnknownMarket(market.pair.joined())

    def clock(self, kind: Kind) -> Request | None:
        """Return None: it tells no time but in its messages."""
        return None

    def parse_clock(self, text: str | bytes) -> int:
        """Raise BadFrame: there is no such answer."""
        raise BadFrame("unknown", text[:40])


class BitunixSession:
    """Knows which candle a message belongs to, and numbers the trades, which have no ids."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._symbol = market.pair.joined()
        self._channel = f"market_kline_{CHANNELS[market.timeframe]}"
        self._older_channel = f"market.{self._symbol}.kline.{market.timeframe.lower()}"

    def parse(self, text: str | bytes) -> tuple[Event, ...]:
        """Return what a frame says. Raises BadFrame."""
        frame = mapping(decoded(text))
        if "ch" in frame:
            return self._push(frame)
        if frame.get("event") == "channel_pushed":
            return self._older_push(frame)
        return _control(frame)

    def _push(self, frame: Mapping[str, Any]) -> tuple[Event, ...]:
        if frame.get("symbol", self._symbol) != self._symbol:
            return ()
        channel = told(frame["ch"])
        if channel == self._channel:
            return (self._kline(frame),)
        match channel:
            case "trade":
                return _trades(frame)
            case "ticker" | "tickers":
                return self._quotes(frame)
            case "depth_book1":
                return _book(frame)
            case "price":
                return (_mark(frame),)
            case _:
                return ()

    def _kline(self, frame: Mapping[str, Any]) -> Kline:
        at_ms, data = instant_at(frame, "ts"), member(frame, "data")
        prices = (number_at(data, key) for key in ("o", "h", "l", "c", "b"))
        return Kline.of(at_ms - at_ms % self._market.timeframe_ms, prices, at_ms=at_ms)

    def _quotes(self, frame: Mapping[str, Any]) -> tuple[Event, ...]:
        data = member(frame, "data")
        rows = [mapping(row) for row in (data if isinstance(data, list) else [data])]
        ours = [row for row in rows if row.get("s", self._symbol) == self._symbol and "bd" in row]
        return tuple(
            BestQuote.of((number_at(row, key) for key in ("bd", "bv", "ak", "av")), instant_at(frame, "ts"))
            for row in ours
        )

    def _older_push(self, frame: Mapping[str, Any]) -> tuple[Event, ...]:
        if frame.get("channel", self._older_channel) != self._older_channel:
            return ()
        data, found = mapping(member(frame, "data")), list[Event]()
        if data.get("kline") is not None:
            found.append(_row(mapping(data["kline"]), "time", self._market.timeframe_ms))
        if data.get("ticker") is not None:
            ticker = mapping(data["ticker"])
            size = Decimal(0)
            found.append(
                BestQuote(
                    number_at(ticker, "buy"),
                    size,
                    number_at(ticker, "sell"),
                    size,
                    _moment(ticker["time"]) if "time" in ticker else None,
                )
            )
        return tuple(found)


def _control(frame: Mapping[str, Any]) -> tuple[Event, ...]:
    operation = frame.get("op")
    if (operation == "ping" and "pong" in frame) or operation == "pong":
        return (Pong(),)
    if "ping" in frame and operation is None:
        return (Pinged(msgspec.json.encode({"pong": instant(frame["ping"])}).decode()),)
    if operation == "error" or frame.get("status") == "error":
        return (Refused(told(frame.get("msg") or frame.get("err_msg") or frame)),)
    if operation in ("subscribe", "connect") or "event_rep" in frame or "event" in frame:
        return (Acknowledged(told(operation or frame.get("channel"))),)
    raise BadFrame("unknown", list(frame)[:5])


def _row(row: Mapping[str, Any], key: str, grid_ms: int = 1) -> Kline:
    open_ms = _moment(member(row, key))
    prices = (number_at(row, name) for name in ("open", "high", "low", "close"))
    volume = row["baseVol"] if "baseVol" in row else member(row, "volume")
    return Kline.of(open_ms - open_ms % grid_ms, (*prices, number(volume)))


def _moment(value: Any) -> int:
    """Seconds or milliseconds; no market was open in 1970."""
    found = instant(value)
    return found * 1000 if found < 10**11 else found


def _trades(frame: Mapping[str, Any]) -> tuple[Event, ...]:
    at_ms = instant_at(frame, "ts")
    found = []
    for row in sequence(member(frame, "data")):
        side = told(member(row, "s")).lower()
        if side not in ("buy", "sell"):
            raise BadFrame("side", side)
        found.append(
            Print(
                trade_id="",
                price=number_at(row, "p"),
                amount=number_at(row, "v"),
                side="buy" if side == "buy" else "sell",
                at_ms=date(row["t"]) if "t" in mapping(row) else at_ms,
            )
        )
    return tuple(found)


def _book(frame: Mapping[str, Any]) -> tuple[Event, ...]:
    data = member(frame, "data")
    bids, asks = sequence(member(data, "b")), sequence(member(data, "a"))
    if not bids or not asks:
        return ()
    best = [number(value) for side in (bids, asks) for value in sequence(side[0], least=2)[:2]]
    return (BestQuote.of(best, instant_at(frame, "ts")),)


def _mark(frame: Mapping[str, Any]) -> MarkPrice:
    data = mapping(member(frame, "data"))
    return MarkPrice(
        mark=number_at(data, "mp"),
        at_ms=instant_at(frame, "ts"),
        index=optional_number(data, "ip"),
        rate=optional_number(data, "fr"),
        next_funding_ms=date(data["nft"]) if data.get("nft") else None,
    )


def _data(text: str | bytes) -> Any:
    answer = mapping(decoded(text))
    if answer.get("code", 0) != 0:
        raise BadFrame("refused", told(answer.get("msg")))
    return member(answer, "data")


def _grid(places: Any) -> Decimal:
    if not isinstance(places, int) or not 0 <= places <= LONGEST_STEP:
        raise BadFrame("number", places)
    return Decimal(1).scaleb(-places)


def _hello(market: Market) -> tuple[str, ...]:
    channels = (f"market_kline_{CHANNELS[market.timeframe]}", "depth_book1", "trade", "price")
    arguments = [{"symbol": market.pair.joined(), "ch": channel} for channel in channels]
    return (msgspec.json.encode({"op": "subscribe", "args": arguments}).decode(),)


def _older_hello(market: Market) -> tuple[str, ...]:
    channel = f"market.{market.pair.joined()}.kline.{market.timeframe.lower()}"
    asked = {"event": "sub", "params": {"channel": channel, "cb_id": market.pair.joined()}}
    return (msgspec.json.encode(asked).decode(),)


def _ping(at_ms: int) -> str:
    return msgspec.json.encode({"op": "ping", "ping": at_ms // 1000}).decode()
