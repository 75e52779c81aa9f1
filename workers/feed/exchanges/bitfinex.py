"""Bitfinex, API v2: arrays told apart by channel numbers.

https://docs.bitfinex.com/docs/ws-public, https://docs.bitfinex.com/reference/rest-public-candles
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from protocol.messages.market import Instrument
from workers.feed.exchanges import events
from workers.feed.exchanges import reading as read
from workers.feed.exchanges.lacking import Lacking
from workers.feed.exchanges.port import Kind, Line, Market, Request, Stream

GOING_AWAY: Final[Mapping[int, str]] = {
    20051: "the server restarts",
    20060: "maintenance begins",
    20061: "maintenance has ended",
}
HISTORY_LIMIT: Final = 10_000
CHANNELS: Final = frozenset({"candles", "ticker", "trades"})


class Bitfinex(Lacking):
    """Spot, and the perpetuals that it calls F0."""

    name: Final = "bitfinex"
    kinds: tuple[Kind, ...] = ("spot", "perpetual")
    timeframes = frozenset({"1m", "5m", "15m", "1h", "1D"})

    def rest_base(self, kind: Kind) -> str:
        """Return the address of the REST interface."""
        return "https://api-pub.bitfinex.com"

    def lines(self, market: Market) -> tuple[Line, ...]:
        """Return the one connection."""
        symbol = _symbol(market)
        wanted = (
            {"event": "subscribe", "channel": "candles", "key": _key(market)},
            {"event": "subscribe", "channel": "ticker", "symbol": symbol},
            {"event": "subscribe", "channel": "trades", "symbol": symbol},
        )
        hello = tuple(msgspec.json.encode(it).decode() for it in wanted)
        streams = (Stream("candles", prompt=True), Stream("quotes", prompt=True), Stream("trades"))
        return (Line("market", "wss://api-pub.bitfinex.com", "/ws/2", hello, streams),)

    def session(self, market: Market) -> BitfinexSession:
        """Return the understanding of a new connection."""
        return BitfinexSession(market)

    def history(self, market: Market, start_ms: int, count: int) -> Request:
        """Ask for candles, oldest first."""
        query = {"start": str(start_ms), "limit": str(min(count, HISTORY_LIMIT)), "sort": "1"}
        return Request(f"/v2/candles/{_key(market)}/hist", query)

    def parse_history(self, market: Market, text: str | bytes) -> tuple[events.Kline, ...]:
        """Return candles, oldest first. Raises BadFrame, also for ``["error", code, words]``."""
        return read.oldest_first(
            _kline(read.sequence(row, least=6)) for row in read.sequence(read.decoded(text))
        )

    def instrument(self, market: Market) -> Request:
        """Ask for the smallest orders of all pairs."""
        return Request(f"/v2/conf/pub:info:pair{'' if market.kind == 'spot' else ':futures'}")

    def parse_instrument(self, market: Market, text: str | bytes) -> Instrument:
        """Return what is told: the smallest amount. Prices have five significant digits, not a grid."""
        wanted = _symbol(market)[1:]
        for row in read.sequence(read.sequence(read.decoded(text), least=1)[0]):
            name, facts = read.sequence(row, least=2)[:2]
            if name == wanted:
                least = read.number(read.sequence(facts, least=5)[3] or 0)
                return Instrument(
                    tick=Decimal("0.00000001"),
                    min_quantity=least,
                    contract="spot" if market.kind == "spot" else "linear",
                )
        raise events.UnknownMarket(wanted)


class BitfinexSession:
    """Remembers which number means which channel."""

    def __init__(self, market: Market) -> None:
        self._symbol, self._key = _symbol(market), _key(market)
        self._channels: dict[int, str] = {}

    def parse(self, text: str | bytes) -> tuple[events.Event, ...]:
        """Return what a frame says. Raises BadFrame."""
        frame = read.decoded(text)
        return self._event(frame) if isinstance(frame, dict) else self._message(read.sequence(frame, least=2))

    def _event(self, frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
        match read.told(read.member(frame, "event")):
            case "subscribed":
                return self._subscribed(frame)
            case "info":
                code = frame.get("code")
                away = GOING_AWAY.get(code) if isinstance(code, int) else None
                return (events.GoingAway(away),) if away else ()
            case "error":
                return (events.Refused(read.told(frame.get("msg"))),)
            case "pong":
                return (events.Pong(),)
            case _:
                return ()

    def _subscribed(self, frame: Mapping[str, Any]) -> tuple[events.Event, ...]:
        number_, channel = read.member(frame, "chanId"), read.text(read.member(frame, "channel"))
        if not isinstance(number_, int):
            raise events.BadFrame("type", number_)
        if channel in CHANNELS and self._ours(frame):
            self._channels[number_] = channel
        return (events.Acknowledged(channel),)

    def _ours(self, frame: Mapping[str, Any]) -> bool:
        return self._symbol == frame.get("symbol") or self._key == frame.get("key")

    def _message(self, frame: Sequence[Any]) -> tuple[events.Event, ...]:
        channel, body = frame[0], frame[1]
        if not isinstance(channel, int):
            raise events.BadFrame("type", channel)
        if body == "hb":
            return (events.Beat(),)
        match self._channels.get(channel):
            case "candles":
                return _klines(read.sequence(body))
            case "ticker":
                return (_quote(read.sequence(body, least=4)),)
            case "trades":
                return _trade(frame)
            case _:
                return ()


def _klines(body: Sequence[Any]) -> tuple[events.Event, ...]:
    # A snapshot comes newest first; only its last two can still be news.
    if body and isinstance(body[0], list):
        return read.oldest_first(_kline(read.sequence(row, least=6)) for row in body[:2])
    return (_kline(read.sequence(body, least=6)),) if body else ()


def _kline(row: Sequence[Any]) -> events.Kline:
    opened, close, high, low, volume = (read.number(value) for value in row[1:6])
    return events.Kline.of(read.instant(row[0]), (opened, high, low, close, volume))


def _quote(row: Sequence[Any]) -> events.BestQuote:
    return events.BestQuote.of(read.number(value) for value in row[:4])


def _trade(frame: Sequence[Any]) -> tuple[events.Event, ...]:
    # Each trade comes as "te" at once and as "tu" later, with one id. A snapshot is an array of old ones.
    if frame[1] not in ("te", "tu"):
        return ()
    row = read.sequence(read.sequence(list(frame), least=3)[2], least=4)
    amount = read.number(row[2])
    return (
        events.Print(
            trade_id=read.identity(row[0]),
            price=read.number(row[3]),
            amount=abs(amount),
            side="buy" if amount > 0 else "sell",
            at_ms=read.instant(row[1]),
        ),
    )


_COINS: Final[Mapping[str, str]] = {"USDT": "UST"}


def _symbol(market: Market) -> str:
    pair = market.pair
    if pair.code is not None:
        written = pair.symbol.strip()
        # Its own codes begin with a small t: tETHJPY, but also tTRXUSD.
        return written if written[0] == "t" and written[1:].isupper() else f"t{pair.code}"
    base, quote = _COINS.get(pair.base, pair.base), _COINS.get(pair.quote, pair.quote)
    if market.kind == "perpetual":
        return f"t{base}F0:{quote}F0"
    return f"t{base}:{quote}" if len(base) > 3 or len(quote) > 3 else f"t{base}{quote}"


def _key(market: Market) -> str:
    return f"trade:{market.timeframe}:{_symbol(market)}"
