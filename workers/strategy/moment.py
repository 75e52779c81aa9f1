"""When something is decided: the moment that a signal and its orders belong to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from protocol.messages.market import Candle
from protocol.messages.tick import Mark, Quote, Trade
from workers.shared.log import iso_ms
from workers.strategy.api import Price
from workers.strategy.watch import Watch

LATE_MS: Final = 5000
"""However short its candles are, a live market may be so much behind."""


@dataclass(frozen=True)
class Moment:
    """The market it is about, the leading row, the time of the data, and its name.

    ``price`` is what was seen (None: the close of the newest candle). ``late``: the market has moved on
    since, so that nothing is entered any more.
    """

    watch: Watch
    row: int
    at_ms: int
    name: str
    price: Decimal | None = None
    late: bool = False

    def facts(self) -> dict[str, Any]:
        """Return what a log line tells of it."""
        newest = self.watch.newest
        facts = {"symbol": self.watch.role.symbol, "row": self.row, "at": iso_ms(self.at_ms)}
        return facts if newest is None else {**facts, "open_time": iso_ms(newest.open_ms)}


def at_close(watch: Watch, row: int, candle: Candle, now_ms: int | None) -> Moment:
    """Return the moment at which ``candle`` closed; ``now_ms`` is the time in a live market."""
    name = f"{candle.open_ms}.{candle.nth}" if candle.nth else f"{candle.open_ms}"
    grace_ms = max((candle.close_ms - candle.open_ms) // 4, LATE_MS)
    late = now_ms is not None and now_ms > candle.close_ms + grace_ms
    return Moment(watch, row, candle.close_ms, name, late=late)


def at_price(watch: Watch, row: int, price: Price, nth: int, now_ms: int) -> Moment:
    """Return the moment of a live price, the ``nth`` of this process."""
    return Moment(watch, row, price.at_ms, f"tick.{price.at_ms}.{now_ms}.{nth}", price=_seen(price))


def at_interval(watch: Watch, row: int, at_ms: int, *, late: bool = False) -> Moment:
    """Return the moment at which an interval was over; ``late``: the answer took too long."""
    return Moment(watch, row, at_ms, f"every.{at_ms}", late=late)


def _seen(price: Price) -> Decimal:
    """The price that a tick shows; of a quote the middle."""
    match price:
        case Quote():
            return (price.bid + price.ask) / 2
        case Trade():
            return price.price
        case Mark():
            return price.mark
