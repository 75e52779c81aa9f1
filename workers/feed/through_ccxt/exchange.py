"""What ccxt says of a market, in the words of the live feed. Pure.

The network beside it writes what the library returns as JSON; here it is taken apart by the same rules as
any exchange's frames. Candles of ccxt's streams are not used: they have lost the flag of the close, come out
of order and with holes. Each candle is asked for by REST when its time is over, and believed when REST has
confirmed it (``live.finality``).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from protocol.messages.market import Instrument
from workers.feed.exchanges import events
from workers.feed.exchanges import reading as read
from workers.feed.exchanges.lacking import Lacking
from workers.feed.exchanges.port import Kind, Line, Market, Request, Stream

PREFIX: Final = "ccxt:"
MOST_CANDLES: Final = 200
MOST_FUNDINGS: Final = 100
ORDINARY: Final = frozenset({"MARKET", "NA"})
"""Binance's words for prints of the open market; ccxt keeps the exchange's own row beside its trade."""
QUOTES: Final = ("watchBidsAsks", "watchTicker")
"""Ways to the best quote; the first that an exchange has is gone. Tickers often hold none."""


def unified(market: Market) -> str:
    """Return the market's name at ccxt: ``BTC/USDT``, of a perpetual ``BTC/USDT:USDT``."""
    pair = market.pair
    if market.kind == "spot" or ":" in pair.symbol or not pair.quote:
        return pair.symbol.strip().upper()
    return f"{pair.base}/{pair.quote}:{pair.quote}"


def interval(timeframe: str) -> str:
    """Return ccxt's name of a timeframe."""
    return "1d" if timeframe == "1D" else timeframe


class CcxtExchange(Lacking):
    """One exchange of ccxt's. ``has`` and ``timeframes`` are the library's own tables of what it can.

    ``watches``: by which of its calls it listens, and what they deliver.
    """

    kinds: tuple[Kind, ...] = ("spot", "perpetual")

    def __init__(self, name: str, has: Mapping[str, Any], timeframes: Mapping[str, Any] | None) -> None:
        self._name, self._has = name, has
        quotes = next((watch for watch in QUOTES if has.get(watch)), None)
        found = {quotes: Stream("quotes"), "watchTrades": Stream("trades")}
        self.watches = {watch: stream for watch, stream in found.items() if watch and has.get(watch)}
        self._timeframes = frozenset(
            it for it in ("1m", "5m", "15m", "1h", "4h", "1D") if interval(it) in (timeframes or {})
        )

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return PREFIX + self._name

    @property
    def timeframes(self) -> frozenset[str]:
        """The timeframes that the exchange answers with."""
        return self._timeframes

    def rest_base(self, kind: Kind) -> str:
        """Return an address that only the network beside this knows."""
        return f"ccxt://{self._name}"

    def lines(self, market: Market) -> tuple[Line, ...]:
        """Return one connection for all streams that there are; none where ccxt can only ask."""
        if not self.watches:
            return ()
        path = f"/{unified(market)}?{'&'.join(self.watches)}"
        return (Line("market", self.rest_base(market.kind), path, (), tuple(self.watches.values())),)

    def session(self, market: Market) -> CcxtSession:
        """Return the understanding of a new connection."""
        return CcxtSession()

    def history(self, market: Market, start_ms: int, count: int) -> Request:
        """Ask for candles."""
        query = {"symbol": unified(market), "timeframe": interval(market.timeframe), "since": str(start_ms)}
        return Request("/candles", {**query, "limit": str(min(count, MOST_CANDLES))})

    def parse_history(self, market: Market, text: str | bytes) -> tuple[events.Kline, ...]:
        """Return candles, oldest first."""
        return read.candles(read.decoded(text))

    def fundings(self, market: Market, start_ms: int, end_ms: int) -> Request | None:
        """Ask for the fundings of a contract, where the library can."""
        name = unified(market)
        if ":" not in name or not self._has.get("fetchFundingRateHistory"):
            return None
        return Request("/fundings", {"symbol": name, "since": str(start_ms), "limit": str(MOST_FUNDINGS)})

    def parse_fundings(self, market: Market, text: str | bytes) -> tuple[events.PastFunding, ...]:
        """Return the fundings."""
        return read.past_fundings(read.decoded(text), "timestamp")

    def clock(self, kind: Kind) -> Request | None:
        """Ask for the time, where the library can."""
        return Request("/time") if self._has.get("fetchTime") else None

    def parse_clock(self, text: str | bytes) -> int:
        """Return UTC milliseconds."""
        return read.instant(read.decoded(text))

    def instrument(self, market: Market) -> Request:
        """Ask for the market's grids."""
        return Request("/market", {"symbol": unified(market)})

    def parse_instrument(self, market: Market, text: str | bytes) -> Instrument:
        """Return the market's grids; an inverse contract is refused."""
        row = read.mapping(read.decoded(text))
        if "unknown" in row:
            raise events.UnknownMarket(read.told(row["unknown"]))
        if row.get("inverse"):
            raise events.BadFrame("inverse", unified(market))
        if not read.flag(read.member(row, "steps")):
            raise events.BadFrame("precision", "ccxt counts digits here, which are no steps")
        precision, limits = read.mapping(read.member(row, "precision")), read.mapping(row.get("limits") or {})
        size = read.optional_number(row, "contractSize") or Decimal(1)
        return Instrument(
            tick=_above_zero(read.number_at(precision, "price")),
            step=_above_zero(read.number_at(precision, "amount") * size),
            min_quantity=_least(limits, "amount") * size,
            min_notional=_least(limits, "cost"),
            contract="linear" if row.get("contract") else "spot",
        )


class CcxtSession:
    """Reads ``{"trade": {...}, "size": "1"}``, ``{"ticker": {...}, "size": "1"}`` and ``{"bad": "..."}``."""

    def parse(self, text: str | bytes) -> tuple[events.Event, ...]:
        """Return what the library told. Raises BadFrame."""
        frame = read.mapping(read.decoded(text))
        if "bad" in frame:
            raise events.BadFrame("ccxt", frame["bad"])
        size = _above_zero(read.number_at(frame, "size"))
        if "trade" in frame:
            return (_print(read.mapping(frame["trade"]), size),)
        return _quotes(read.mapping(read.member(frame, "ticker")), size)


def _print(row: Mapping[str, Any], size: Decimal) -> events.Print:
    return events.Print(
        trade_id="" if row.get("id") is None else read.identity(row["id"]),
        price=read.number_at(row, "price"),
        amount=read.number_at(row, "amount") * size,
        side=read.side(read.member(row, "side")),
        at_ms=read.instant_at(row, "timestamp"),
        ordinary=read.told(read.mapping(row.get("info") or {}).get("X", "MARKET")) in ORDINARY,
    )


def _quotes(ticker: Mapping[str, Any], size: Decimal) -> tuple[events.Event, ...]:
    bid, ask = read.optional_number(ticker, "bid"), read.optional_number(ticker, "ask")
    if bid is None or ask is None:
        return ()
    amounts = [(read.optional_number(ticker, key) or Decimal(0)) * size for key in ("bidVolume", "askVolume")]
    at = ticker.get("timestamp")
    return (
        events.BestQuote.of((bid, amounts[0], ask, amounts[1]), None if at is None else read.instant(at)),
    )


def _least(limits: Mapping[str, Any], name: str) -> Decimal:
    return read.optional_number(read.mapping(limits.get(name) or {}), "min") or Decimal(0)


def _above_zero(found: Decimal) -> Decimal:
    if found <= 0:
        raise events.BadFrame("number", found)
    return found
