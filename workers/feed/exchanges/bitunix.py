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
from workers.feed.exchanges import events
from workers.feed.exchanges import reading as read
from workers.feed.exchanges.lacking import Lacking
from workers.feed.exchanges.port import Kind, Line, Market, Request, Stream

CHANNELS: Final[Mapping[str, str]] = {
    "1m": "1min", "5m": "5min", "15m": "15min", "1h": "60min", "4h": "4h", "1D": "1day",
}  # fmt: skip
INTERVALS: Final[Mapping[str, str]] = {
    "1m": "1m", "5m": "5m", "15m": "15m", "1h": "1h", "4h": "4h", "1D": "1d",
}  # fmt: skip
HISTORY_LIMIT: Final = 200
LONGEST_STEP: Final = 18


class Bitunix(Lacking):
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

    def parse_history(self, market: Market, text: str | bytes) -> tuple[events.Kline, ...]:
        """Return candles, oldest first."""
        return read.oldest_first(_row(read.mapping(row), "time") for row in read.sequence(_data(text)))

    def fundings(self, market: Market, start_ms: int, end_ms: int) -> Request | None:
        """Ask for the newest fundings; times to ask for are not documented."""
        query = {"symbol": market.pair.joined(), "limit": str(HISTORY_LIMIT)}
        return Request("/api/v1/futures/market/get_funding_rate_history", query)

    def parse_fundings(self, market: Market, text: str | bytes) -> tuple[events.PastFunding, ...]:
        """Return the fundings."""
        return read.past_fundings(_data(text), "fundingTime")

    def instrument(self, market: Market) -> Request:
        """Ask for the market's grids."""
        return Request("/api/v1/futures/market/trading_pairs", {"symbols": market.pair.joined()})

    def parse_instrument(self, market: Market, text: str | bytes) -> Instrument:
        """Return the market's grids; they come as numbers of places."""
        for row in read.sequence(_data(text)):
            if read.member(row, "symbol") == market.pair.joined():
                return Instrument(
                    tick=_grid(read.member(row, "quotePrecision")),
                    step=_grid(read.member(row, "basePrecision")),
                    min_quantity=read.optional_number(row, "minTradeVolume") or Decimal(0),
                    contract="linear",
                )
        raise events.UnknownMarket(market.pair.joined())


class BitunixSession:
    """Knows which candle a message belongs to, and numbers the trades, which have no ids."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._symbol = market.pair.joined()
        self._channel = f"market_kline_{CHANNELS[market.timeframe]}"
        self._older_channel = f"market.{self._symbol}.kline.{market.timeframe.lower()}"

    def parse(self, text: str | bytes) -> tuple[events.Event, ...]:
        """Return what a frame says. Raises BadFrame."""
        frame = read.mapping(read.decoded(text))
        if "ch" in frame:
            return self._push(frame)
        if frame.get("event") == "channel_pushed":
            return self._older_push(frame)
        return _control(frame)

    def _push(self, frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
        if frame.get("symbol", self._symbol) != self._symbol:
            return ()
        channel = read.told(frame["ch"])
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

    def _kline(self, frame: Mapping[str, Any]) -> events.Kline:
        at_ms, data = read.instant_at(frame, "ts"), read.member(frame, "data")
        prices = (read.number_at(data, key) for key in ("o", "h", "l", "c", "b"))
        return events.Kline.of(at_ms - at_ms % self._market.timeframe_ms, prices, at_ms=at_ms)

    def _quotes(self, frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
        data = read.member(frame, "data")
        rows = [read.mapping(row) for row in (data if isinstance(data, list) else [data])]
        ours = [row for row in rows if row.get("s", self._symbol) == self._symbol and "bd" in row]
        return tuple(
            events.BestQuote.of(
                (read.number_at(row, key) for key in ("bd", "bv", "ak", "av")), read.instant_at(frame, "ts")
            )
            for row in ours
        )

    def _older_push(self, frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
        if frame.get("channel", self._older_channel) != self._older_channel:
            return ()
        data, found = read.mapping(read.member(frame, "data")), list[events.Event]()
        if data.get("kline") is not None:
            found.append(_row(read.mapping(data["kline"]), "time", self._market.timeframe_ms))
        if data.get("ticker") is not None:
            ticker = read.mapping(data["ticker"])
            size = Decimal(0)
            found.append(
                events.BestQuote(
                    read.number_at(ticker, "buy"),
                    size,
                    read.number_at(ticker, "sell"),
                    size,
                    _moment(ticker["time"]) if "time" in ticker else None,
                )
            )
        return tuple(found)


def _control(frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
    operation = frame.get("op")
    if (operation == "ping" and "pong" in frame) or operation == "pong":
        return (events.Pong(),)
    if "ping" in frame and operation is None:
        return (events.Pinged(msgspec.json.encode({"pong": read.instant(frame["ping"])}).decode()),)
    if operation == "error" or frame.get("status") == "error":
        return (events.Refused(read.told(frame.get("msg") or frame.get("err_msg") or frame)),)
    if operation in ("subscribe", "connect") or "event_rep" in frame or "event" in frame:
        return (events.Acknowledged(read.told(operation or frame.get("channel"))),)
    raise events.BadFrame("unknown", list(frame)[:5])


def _row(row: Mapping[str, Any], key: str, grid_ms: int = 1) -> events.Kline:
    open_ms = _moment(read.member(row, key))
    prices = (read.number_at(row, name) for name in ("open", "high", "low", "close"))
    volume = row["baseVol"] if "baseVol" in row else read.member(row, "volume")
    return events.Kline.of(open_ms - open_ms % grid_ms, (*prices, read.number(volume)))


def _moment(value: Any) -> int:
    """Seconds or milliseconds; no market was open in 1970."""
    found = read.instant(value)
    return found * 1000 if found < 10**11 else found


def _trades(frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
    at_ms = read.instant_at(frame, "ts")
    return tuple(
        events.Print(
            trade_id="",
            price=read.number_at(row, "p"),
            amount=read.number_at(row, "v"),
            side=read.side(read.member(row, "s")),
            at_ms=read.date(row["t"]) if "t" in read.mapping(row) else at_ms,
        )
        for row in read.sequence(read.member(frame, "data"))
    )


def _book(frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
    data = read.member(frame, "data")
    bids, asks = read.sequence(read.member(data, "b")), read.sequence(read.member(data, "a"))
    if not bids or not asks:
        return ()
    best = [read.number(value) for side in (bids, asks) for value in read.sequence(side[0], least=2)[:2]]
    return (events.BestQuote.of(best, read.instant_at(frame, "ts")),)


def _mark(frame: Mapping[str, Any]) -> events.MarkPrice:
    # Its "fr" is the rate of the last funding, in percent: no estimate of the next one.
    data = read.mapping(read.member(frame, "data"))
    return events.MarkPrice(
        mark=read.number_at(data, "mp"),
        at_ms=read.instant_at(frame, "ts"),
        index=read.optional_number(data, "ip"),
        next_funding_ms=read.date(data["nft"]) if data.get("nft") else None,
    )


def _data(text: str | bytes) -> Any:
    answer = read.mapping(read.decoded(text))
    if answer.get("code", 0) != 0:
        raise events.BadFrame("refused", read.told(answer.get("msg")))
    return read.member(answer, "data")


def _grid(places: Any) -> Decimal:
    if not isinstance(places, int) or not 0 <= places <= LONGEST_STEP:
        raise events.BadFrame("number", places)
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
