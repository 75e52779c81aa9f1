"""Kraken spot, WebSocket v2.

https://docs.kraken.com/api/docs/websocket-v2/ohlc, https://docs.kraken.com/api/docs/rest-api/get-ohlc-data

No closed flag: a candle ends when the next appears. Candles are told on trades only; a heartbeat comes each
second, also where a subscription was acknowledged and delivers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from protocol.messages.market import Instrument
from workers.feed.exchanges import events
from workers.feed.exchanges import reading as read
from workers.feed.exchanges.lacking import Lacking
from workers.feed.exchanges.port import Kind, Line, Market, Request, Stream

MINUTES: Final[Mapping[str, int]] = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1D": 1440}
REST_COINS: Final[Mapping[str, str]] = {"BTC": "XBT", "DOGE": "XDG"}
COINS: Final[Mapping[str, str]] = {coin: name for name, coin in REST_COINS.items()}
"""What its WebSocket calls the coins that people may know by their names at REST."""
MOST_PLACES: Final = 18


class Kraken(Lacking):
    """Spot."""

    name: Final = "kraken"
    kinds: tuple[Kind, ...] = ("spot",)
    timeframes = frozenset(MINUTES)

    def rest_base(self, kind: Kind) -> str:
        """Return the address of the REST interface."""
        return "https://api.kraken.com"

    def lines(self, market: Market) -> tuple[Line, ...]:
        """Return the one connection."""
        symbol = [_symbol(market)]
        wanted: tuple[dict[str, Any], ...] = (
            {"channel": "ohlc", "symbol": symbol, "interval": MINUTES[market.timeframe]},
            {"channel": "ticker", "symbol": symbol, "event_trigger": "bbo"},
            {"channel": "trade", "symbol": symbol, "snapshot": False},
        )
        hello = tuple(msgspec.json.encode({"method": "subscribe", "params": it}).decode() for it in wanted)
        streams = (Stream("candles", prompt=True), Stream("quotes", prompt=True), Stream("trades"))
        return (Line("market", "wss://ws.kraken.com", "/v2", hello, streams),)

    def session(self, market: Market) -> KrakenSession:
        """Return the understanding of a new connection."""
        return KrakenSession(market)

    def history(self, market: Market, start_ms: int, count: int) -> Request:
        """Ask for candles; Kraken sends at most 720, and those after ``since``."""
        query = {
            "pair": _rest_pair(market),
            "interval": str(MINUTES[market.timeframe]),
            "since": str(max(start_ms // 1000 - 1, 0)),
        }
        return Request("/0/public/OHLC", query)

    def parse_history(self, market: Market, text: str | bytes) -> tuple[events.Kline, ...]:
        """Return candles, oldest first."""
        result = read.mapping(_result(text))
        rows = next((read.sequence(rows) for name, rows in result.items() if name != "last"), ())
        found = []
        for row in rows:
            opened, high, low, close, _average, volume = (
                read.number(it) for it in read.sequence(row, least=7)[1:7]
            )
            found.append(events.Kline.of(read.instant(row[0]) * 1000, (opened, high, low, close, volume)))
        return read.oldest_first(found)

    def instrument(self, market: Market) -> Request:
        """Ask for the market's grids."""
        return Request("/0/public/AssetPairs", {"pair": _rest_pair(market)})

    def parse_instrument(self, market: Market, text: str | bytes) -> Instrument:
        """Return the market's grids and the fees of the first tier."""
        names = {_rest_pair(market), _symbol(market)}
        for row in read.mapping(_result(text)).values():
            if read.told(read.member(row, "altname")) in names or read.told(row.get("wsname")) in names:
                return _instrument(read.mapping(row))
        raise events.UnknownMarket(_symbol(market))

    def clock(self, kind: Kind) -> Request | None:
        """Ask for the time, told in whole seconds."""
        return Request("/0/public/Time")

    def parse_clock(self, text: str | bytes) -> int:
        """Return UTC milliseconds; the middle of the second told."""
        return read.instant(read.member(_result(text), "unixtime")) * 1000 + 500


class KrakenSession:
    """Reads the channels; Kraken needs no memory."""

    def __init__(self, market: Market) -> None:
        self._symbol = _symbol(market)
        self._minutes = MINUTES[market.timeframe]

    def parse(self, text: str | bytes) -> tuple[events.Event, ...]:
        """Return what a frame says. Raises BadFrame."""
        frame = read.mapping(read.decoded(text))
        if "method" in frame:
            return _reply(frame)
        channel = read.told(read.member(frame, "channel"))
        if channel == "heartbeat":
            return (events.Beat(),)
        if channel not in _PARSERS:
            return ()
        rows = [read.mapping(row) for row in read.sequence(read.member(frame, "data"))]
        ours = [row for row in rows if read.member(row, "symbol") == self._symbol]
        if channel == "ohlc":
            ours = [row for row in ours if read.member(row, "interval") == self._minutes]
        at_ms = read.date(frame["timestamp"]) if "timestamp" in frame else None
        # A snapshot of candles holds hours of them; only the last two can still be news.
        wanted = ours[-2:] if channel == "ohlc" else ours
        return tuple(_PARSERS[channel](row, at_ms) for row in wanted)


def _kline(row: Mapping[str, Any], at_ms: int | None) -> events.Event:
    prices = (read.number_at(row, key) for key in ("open", "high", "low", "close", "volume"))
    return events.Kline.of(read.date(read.member(row, "interval_begin")), prices, at_ms=at_ms)


def _quote(row: Mapping[str, Any], at_ms: int | None) -> events.Event:
    return events.BestQuote.of(
        (read.number_at(row, key) for key in ("bid", "bid_qty", "ask", "ask_qty")),
        read.date(row["timestamp"]) if "timestamp" in row else at_ms,
    )


def _trade(row: Mapping[str, Any], _at_ms: int | None) -> events.Event:
    return events.Print(
        trade_id=read.identity(read.member(row, "trade_id")),
        price=read.number_at(row, "price"),
        amount=read.number_at(row, "qty"),
        side=read.side(read.member(row, "side")),
        at_ms=read.date(read.member(row, "timestamp")),
    )


_PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any], int | None], events.Event]]] = {
    "ohlc": _kline,
    "ticker": _quote,
    "trade": _trade,
}


def _reply(frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
    if frame["method"] == "pong":
        return (events.Pong(),)
    if frame.get("success") is False:
        return (events.Refused(read.told(frame.get("error"))),)
    return (events.Acknowledged(read.told(frame["method"])),)


def _instrument(row: Mapping[str, Any]) -> Instrument:
    return Instrument(
        tick=read.number(row["tick_size"])
        if "tick_size" in row
        else _grid(read.member(row, "pair_decimals")),
        step=_grid(read.member(row, "lot_decimals")),
        min_quantity=read.number(row.get("ordermin", 0)),
        min_notional=read.number(row.get("costmin", 0)),
        maker=_fee(row.get("fees_maker")),
        taker=_fee(row.get("fees")),
    )


def _fee(tiers: Any) -> Decimal | None:
    """The first of [[volume, percent], ...] as a fraction."""
    if not tiers:
        return None
    return read.number(read.sequence(read.sequence(tiers)[0], least=2)[1]) / 100


def _grid(places: Any) -> Decimal:
    if not isinstance(places, int) or not 0 <= places <= MOST_PLACES:
        raise events.BadFrame("number", places)
    return Decimal(1).scaleb(-places)


def _result(text: str | bytes) -> Any:
    answer = read.mapping(read.decoded(text))
    if answer.get("error"):
        raise events.BadFrame("refused", read.told(answer["error"]))
    return read.member(answer, "result")


def _symbol(market: Market) -> str:
    pair = market.pair
    if pair.code is not None:
        return pair.code
    return f"{COINS.get(pair.base, pair.base)}/{COINS.get(pair.quote, pair.quote)}"


def _rest_pair(market: Market) -> str:
    pair = market.pair
    if pair.code is not None:
        return pair.code
    return REST_COINS.get(pair.base, pair.base) + REST_COINS.get(pair.quote, pair.quote)
