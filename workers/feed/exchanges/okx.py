"""OKX, API v5: candles come over one address, the rest over another.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from protocol.messages.market import Instrument
from workers.feed.exchanges import events
from workers.feed.exchanges import reading as read
from workers.feed.exchanges.port import Kind, Line, Market, Request, Stream

BARS: Final[Mapping[str, str]] = {
    "1m": "1m", "5m": "5m", "15m": "15m", "1h": "1H", "4h": "4H", "1D": "1Dutc",
}  # fmt: skip
"""Plain 1D would begin at midnight in Hong Kong."""
HISTORY_LIMIT: Final = 300
FUNDING_LIMIT: Final = 100
TRADE: Final = ("tradeId", "px", "sz", "side", "ts")
"""The keys of a trade: id, price, amount, side and time."""
BASE: Final = "wss://ws.okx.com:8443"
UPGRADE: Final = "64008"
"""The code of the notice that a connection is about to be closed for a service upgrade."""


class Okx:
    """Spot and linear swaps."""

    name: Final = "okx"
    kinds: tuple[Kind, ...] = ("spot", "perpetual")
    timeframes = frozenset(BARS)

    def rest_base(self, kind: Kind) -> str:
        """Return the address of the REST interface."""
        return "https://www.okx.com"

    def lines(self, market: Market) -> tuple[Line, ...]:
        """Return two connections: candles, and everything else."""
        name = _name(market)
        channels = ["tickers", "trades"]
        streams = [Stream("quotes", prompt=True), Stream("trades")]
        if market.kind == "perpetual":
            channels += ["mark-price", "funding-rate"]
            streams.append(Stream("marks", prompt=True))
        candles = (Stream("candles", prompt=True),)
        return (
            Line("business", BASE, "/ws/v5/business", _hello(name, [_channel(market)]), candles, ping=_ping),
            Line("public", BASE, "/ws/v5/public", _hello(name, channels), tuple(streams), ping=_ping),
        )

    def session(self, market: Market) -> OkxSession:
        """Return the understanding of a new connection."""
        return OkxSession(market)

    def history(self, market: Market, start_ms: int, count: int) -> Request:
        """Ask for candles: ``before`` means newer than, ``after`` older than."""
        wanted = min(count, HISTORY_LIMIT)
        query = {
            "instId": _name(market),
            "bar": BARS[market.timeframe],
            "before": str(start_ms - 1),
            "after": str(start_ms + wanted * market.timeframe_ms),
            "limit": str(wanted),
        }
        return Request("/api/v5/market/candles", query)

    def parse_history(self, market: Market, text: str | bytes) -> tuple[events.Kline, ...]:
        """Return candles, oldest first."""
        return read.oldest_first(
            _kline(read.sequence(row, least=6), market.kind) for row in read.sequence(_data(text))
        )

    def fundings(self, market: Market, start_ms: int, end_ms: int) -> Request | None:
        """Ask for the fundings of a swap: ``before`` means newer than."""
        if market.kind == "spot":
            return None
        query = {"instId": _name(market), "before": str(start_ms - 1), "limit": str(FUNDING_LIMIT)}
        return Request("/api/v5/public/funding-rate-history", query)

    def parse_fundings(self, market: Market, text: str | bytes) -> tuple[events.PastFunding, ...]:
        """Return the fundings."""
        return read.past_fundings(_data(text), "fundingTime", "realizedRate")

    def instrument(self, market: Market) -> Request:
        """Ask for the market's grids."""
        kind = "SPOT" if market.kind == "spot" else "SWAP"
        return Request("/api/v5/public/instruments", {"instType": kind, "instId": _name(market)})

    def parse_instrument(self, market: Market, text: str | bytes) -> Instrument:
        """Return the market's grids, in the base currency; inverse contracts are refused."""
        for row in read.sequence(_data(text)):
            if read.member(row, "instId") == _name(market):
                return _instrument(read.mapping(row))
        raise events.UnknownMarket(_name(market))

    def clock(self, kind: Kind) -> Request | None:
        """Ask for the time."""
        return Request("/api/v5/public/time")

    def parse_clock(self, text: str | bytes) -> int:
        """Return UTC milliseconds."""
        return read.instant_at(read.sequence(_data(text), least=1)[0], "ts")


class OkxSession:
    """Reads the channels; remembers the funding rate, which comes apart from the mark price."""

    def __init__(self, market: Market) -> None:
        self._kind, self._size = market.kind, market.contract_size
        self._name, self._candles = _name(market), _channel(market)
        self._rate: tuple[Decimal | None, int | None] = (None, None)

    def parse(self, text: str | bytes) -> tuple[events.Event, ...]:
        """Return what a frame says. Raises BadFrame."""
        if text in ("pong", b"pong"):
            return (events.Pong(),)
        frame = read.mapping(read.decoded(text))
        if "event" in frame:
            return _control(frame)
        argument = read.mapping(read.member(frame, "arg"))
        if argument.get("instId") != self._name:
            return ()
        rows, channel = read.sequence(read.member(frame, "data")), read.told(read.member(argument, "channel"))
        return self._rows(channel, rows)

    def _rows(self, channel: str, rows: Sequence[Any]) -> tuple[events.Event, ...]:
        if channel == self._candles:
            return tuple(_kline(read.sequence(row, least=6), self._kind) for row in rows)
        match channel:
            case "tickers":
                return tuple(
                    quote for row in rows if (quote := _quote(read.mapping(row), self._size)) is not None
                )
            case "trades":
                return tuple(read.printed(row, TRADE, size=self._size) for row in rows)
            case "funding-rate":
                return self._on_funding(rows)
            case "mark-price":
                return tuple(self._mark(read.mapping(row)) for row in rows)
            case _:
                return ()

    def _on_funding(self, rows: Sequence[Any]) -> tuple[events.Event, ...]:
        for row in rows:
            self._rate = (read.optional_number(row, "fundingRate"), read.instant_at(row, "fundingTime"))
        return ()

    def _mark(self, row: Mapping[str, Any]) -> events.MarkPrice:
        rate, next_ms = self._rate
        return events.MarkPrice(
            read.number_at(row, "markPx"), read.instant_at(row, "ts"), rate=rate, next_funding_ms=next_ms
        )


def _kline(row: Sequence[Any], kind: Kind) -> events.Kline:
    # [ts, o, h, l, c, vol, volCcy, volCcyQuote, confirm]: of swaps vol counts contracts, volCcy the base.
    volume = row[5] if kind == "spot" or len(row) < 7 else row[6]
    if len(row) > 8 and row[8] not in ("0", "1"):
        raise events.BadFrame("type", row[8])
    closed = row[8] == "1" if len(row) > 8 else None
    return events.Kline.of(
        read.instant(row[0]),
        (*(read.number(row[n]) for n in range(1, 5)), read.number(volume)),
        closed=closed,
    )


def _quote(row: Mapping[str, Any], size: Decimal) -> events.BestQuote | None:
    keys = ("bidPx", "bidSz", "askPx", "askSz")
    if any(read.member(row, key) == "" for key in keys):
        return None
    bid, bid_size, ask, ask_size = (read.number_at(row, key) for key in keys)
    return events.BestQuote(bid, bid_size * size, ask, ask_size * size, read.instant_at(row, "ts"))


def _control(frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
    match read.told(frame["event"]):
        case "subscribe":
            return (events.Acknowledged(read.told(read.mapping(frame.get("arg", {})).get("channel"))),)
        case "error":
            return (events.Refused(read.told(frame.get("msg"))),)
        case "notice":
            return (events.GoingAway(read.told(frame.get("msg"))),) if frame.get("code") == UPGRADE else ()
        case _:
            return ()


def _instrument(row: Mapping[str, Any]) -> Instrument:
    if row.get("instType") == "SPOT":
        contract_size = Decimal(1)
    elif row.get("ctType") == "linear":
        contract_size = read.number_at(row, "ctVal") * (read.optional_number(row, "ctMult") or 1)
    else:
        raise events.BadFrame("inverse", read.told(row.get("instId")))
    return Instrument(
        tick=read.number_at(row, "tickSz"),
        step=read.number_at(row, "lotSz") * contract_size,
        min_quantity=read.number_at(row, "minSz") * contract_size,
        contract_size=contract_size,
        contract="spot" if row.get("instType") == "SPOT" else "linear",
    )


def _data(text: str | bytes) -> Any:
    answer = read.mapping(read.decoded(text))
    if answer.get("code", "0") != "0":
        raise events.BadFrame("refused", read.told(answer.get("msg")))
    return read.member(answer, "data")


def _hello(name: str, channels: Sequence[str]) -> tuple[str, ...]:
    arguments = [{"channel": channel, "instId": name} for channel in channels]
    return (msgspec.json.encode({"op": "subscribe", "args": arguments}).decode(),)


def _channel(market: Market) -> str:
    return f"candle{BARS[market.timeframe]}"


def _name(market: Market) -> str:
    pair = market.pair
    if pair.code is not None:
        return pair.code
    return f"{pair.base}-{pair.quote}" + ("" if market.kind == "spot" else "-SWAP")


def _ping(_at_ms: int) -> str:
    return "ping"
