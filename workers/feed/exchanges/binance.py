"""Binance, spot and USD-M futures.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams,
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from protocol.messages.market import Instrument
from workers.feed.exchanges import events
from workers.feed.exchanges import reading as read
from workers.feed.exchanges.port import Kind, Line, Market, Request, Stream

RENEW_S: Final = 23 * 3600.0
"""An hour before Binance cuts a connection by itself."""
ORDINARY: Final = frozenset({"MARKET", "NA"})
"""Values of a futures trade's ``X`` that are prints of the open market."""
HISTORY_LIMIT: Final = 1000


class Binance:
    """Both markets; the frames are alike."""

    name: Final = "binance"
    kinds: tuple[Kind, ...] = ("spot", "perpetual")
    timeframes = frozenset({"1m", "5m", "15m", "1h", "4h", "1D"})

    def rest_base(self, kind: Kind) -> str:
        """Return the address of the REST interface of ``kind``."""
        return "https://api.binance.com" if kind == "spot" else "https://fapi.binance.com"

    def lines(self, market: Market) -> tuple[Line, ...]:
        """Return the one connection."""
        name = _name(market).lower()
        wanted = [f"{name}@kline_{_interval(market)}", f"{name}@bookTicker", f"{name}@trade"]
        streams = [Stream("candles"), Stream("quotes"), Stream("trades")]
        if market.kind == "perpetual":
            wanted.append(f"{name}@markPrice@1s")
            streams.append(Stream("marks"))
        hello = msgspec.json.encode({"method": "SUBSCRIBE", "params": wanted, "id": 1}).decode()
        spot = market.kind == "spot"
        base = "wss://stream.binance.com:9443" if spot else "wss://fstream.binance.com"
        return (Line("market", base, "/ws", (hello,), tuple(streams), lifetime_s=RENEW_S),)

    def session(self, market: Market) -> BinanceSession:
        """Return the understanding of a new connection."""
        return BinanceSession(market)

    def history(self, market: Market, start_ms: int, count: int) -> Request:
        """Ask for candles."""
        query = {
            "symbol": _name(market),
            "interval": _interval(market),
            "startTime": str(start_ms),
            "limit": str(min(count, HISTORY_LIMIT)),
        }
        return Request(f"{_prefix(market.kind)}/klines", query)

    def parse_history(self, market: Market, text: str | bytes) -> tuple[events.Kline, ...]:
        """Return candles, oldest first."""
        return read.candles(read.decoded(text))

    def fundings(self, market: Market, start_ms: int, end_ms: int) -> Request | None:
        """Ask for the fundings of a contract."""
        if market.kind == "spot":
            return None
        query = {"symbol": _name(market), "startTime": str(start_ms), "limit": str(HISTORY_LIMIT)}
        return Request("/fapi/v1/fundingRate", query)

    def parse_fundings(self, market: Market, text: str | bytes) -> tuple[events.PastFunding, ...]:
        """Return the fundings."""
        return read.past_fundings(read.decoded(text), "fundingTime")

    def instrument(self, market: Market) -> Request:
        """Ask for the market's filters; the futures answer with all markets."""
        query = {"symbol": _name(market)} if market.kind == "spot" else {}
        return Request(f"{_prefix(market.kind)}/exchangeInfo", query)

    def parse_instrument(self, market: Market, text: str | bytes) -> Instrument:
        """Return the market's grids."""
        listed = read.typed(text, _Listing).symbols
        row = next((row for row in listed if row.symbol == _name(market)), None)
        if row is None:
            raise events.UnknownMarket(_name(market))
        filters = {filter_.filterType: filter_ for filter_ in row.filters}
        price, lot = filters.get("PRICE_FILTER"), filters.get("LOT_SIZE")
        least = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
        if price is None or lot is None:
            raise events.BadFrame("form", "a market without PRICE_FILTER or LOT_SIZE")
        return Instrument(
            tick=read.number(price.tickSize),
            step=read.number(lot.stepSize),
            min_quantity=read.number(lot.minQty),
            min_notional=read.number((least.minNotional or least.notional or "0") if least else "0"),
            contract="spot" if market.kind == "spot" else "linear",
        )

    def clock(self, kind: Kind) -> Request | None:
        """Ask for the time."""
        return Request(f"{_prefix(kind)}/time")

    def parse_clock(self, text: str | bytes) -> int:
        """Return UTC milliseconds."""
        return read.instant_at(read.decoded(text), "serverTime")


class BinanceSession:
    """Reads plain and combined streams; Binance needs no memory."""

    def __init__(self, market: Market) -> None:
        self._symbol = _name(market)
        self._interval = _interval(market)

    def parse(self, text: str | bytes) -> tuple[events.Event, ...]:
        """Return what a frame says. Raises BadFrame."""
        frame = read.mapping(read.decoded(text))
        if "stream" in frame:
            frame = read.mapping(read.member(frame, "data"))
        if "e" not in frame:
            return self._reply(frame)
        kind = read.told(frame["e"])
        if kind == "serverShutdown":
            return (events.GoingAway("serverShutdown"),)
        if kind not in _PARSERS or frame.get("s") != self._symbol:
            return ()
        return _PARSERS[kind](frame, self._interval)

    def _reply(self, frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
        # The book ticker of the spot market is the one message that does not name itself.
        if "b" in frame and "a" in frame:
            return (_quote(frame),) if frame.get("s") == self._symbol else ()
        if "result" in frame:
            return (events.Acknowledged(read.told(frame.get("id"))),)
        if "error" in frame or "code" in frame:
            return (events.Refused(read.told(frame.get("error") or frame.get("msg"))),)
        raise events.BadFrame("unknown", list(frame)[:5])


def _kline(frame: Mapping[str, Any], interval: str) -> tuple[events.Event, ...]:
    k = read.mapping(read.member(frame, "k"))
    if read.text(read.member(k, "i")) != interval:
        return ()
    return (
        events.Kline(
            open_ms=read.instant_at(k, "t"),
            open=read.number_at(k, "o"),
            high=read.number_at(k, "h"),
            low=read.number_at(k, "l"),
            close=read.number_at(k, "c"),
            volume=read.number_at(k, "v"),
            closed=read.flag(read.member(k, "x")),
            at_ms=read.instant_at(frame, "E"),
        ),
    )


def _quote(frame: Mapping[str, Any]) -> events.BestQuote:
    return events.BestQuote(
        bid=read.number_at(frame, "b"),
        bid_size=read.number_at(frame, "B"),
        ask=read.number_at(frame, "a"),
        ask_size=read.number_at(frame, "A"),
        at_ms=read.instant(frame["T"]) if "T" in frame else None,
    )


def _trade(frame: Mapping[str, Any], _interval: str) -> tuple[events.Event, ...]:
    aggregate = frame["e"] == "aggTrade"
    return (
        events.Print(
            trade_id=read.identity(read.member(frame, "a" if aggregate else "t")),
            price=read.number_at(frame, "p"),
            amount=read.number_at(frame, "q"),
            side="sell" if read.flag(read.member(frame, "m")) else "buy",
            at_ms=read.instant_at(frame, "T"),
            ordinary=read.told(frame.get("X", "MARKET")) in ORDINARY,
        ),
    )


def _mark(frame: Mapping[str, Any], _interval: str) -> tuple[events.Event, ...]:
    # A contract without funding sends an empty rate and 0 as its time.
    next_ms = read.instant(frame.get("T") or 0)
    return (
        events.MarkPrice(
            mark=read.number_at(frame, "p"),
            at_ms=read.instant_at(frame, "E"),
            index=read.optional_number(frame, "i"),
            rate=read.optional_number(frame, "r"),
            next_funding_ms=next_ms or None,
        ),
    )


_PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], tuple[events.Event, ...]]]] = {
    "kline": _kline,
    "bookTicker": lambda frame, _: (_quote(frame),),
    "trade": _trade,
    "aggTrade": _trade,
    "markPriceUpdate": _mark,
}


class _Filter(msgspec.Struct):
    filterType: str  # noqa: N815 - the exchange's own name
    tickSize: str = "0"  # noqa: N815
    stepSize: str = "0"  # noqa: N815
    minQty: str = "0"  # noqa: N815
    minNotional: str = ""  # noqa: N815
    notional: str = ""


class _Listed(msgspec.Struct):
    symbol: str
    filters: list[_Filter]


class _Listing(msgspec.Struct):
    symbols: list[_Listed]


def _name(market: Market) -> str:
    return market.pair.joined()


def _interval(market: Market) -> str:
    return "1d" if market.timeframe == "1D" else market.timeframe


def _prefix(kind: Kind) -> str:
    return "/api/v3" if kind == "spot" else "/fapi/v1"
