"""Candle mode: what one candle does to one order. Pure; the order of orders is the floor's.

A candle tells four prices and not in which sequence its high and low came. So whatever could have gone either
way goes against the trader: a stop is touched by an equal price, a limit only by a price strictly beyond it,
and the price of a fill is never better than what the order waited for.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from protocol.messages.market import Candle
from protocol.messages.trading import Side
from workers.broker.matching import Terms, at_least_as_good, taker_price
from workers.broker.money import exactly, floor_to
from workers.broker.orders import WorkingOrder

VOLUME_SHARE: Final = Decimal("0.1")
"""Of a candle's volume, the most that limits get of it together."""


def touched(order: WorkingOrder, candle: Candle, *, from_open: bool) -> Decimal | None:
    """Return the price at which a candle triggers a stop: the open if that is beyond it, else the stop
    itself.

    ``from_open`` False: the stop was placed inside this candle, so the open says nothing. None: not
    triggered.
    """
    stop = order.stop
    if stop is None:
        return None
    if order.side == "sell":
        opened_beyond, reached, nearest = candle.open <= stop, candle.low <= stop, min(stop, candle.high)
    else:
        opened_beyond, reached, nearest = candle.open >= stop, candle.high >= stop, max(stop, candle.low)
    if from_open and opened_beyond:
        return candle.open
    # A stop placed inside may lie beyond all that the candle saw: that price was never there.
    return nearest if reached else None


def marketable(order: WorkingOrder, price: Decimal, terms: Terms, tick: Decimal) -> Decimal | None:
    """Return the taker's price of a limit that arrives while ``price`` holds; None where it must rest."""
    assert order.limit is not None  # a limit has one
    if not at_least_as_good(order.side, price, order.limit):
        return None
    paid = taker_price(order.side, price, terms, tick)
    return paid if at_least_as_good(order.side, paid, order.limit) else None


def traded_through(order: WorkingOrder, candle: Candle) -> bool:
    """Whether the candle went strictly through a limit."""
    assert order.limit is not None  # a limit has one
    return candle.low < order.limit if order.side == "buy" else candle.high > order.limit


@exactly
def volume_for_limits(candle: Candle, step: Decimal) -> Decimal:
    """Return what all limits together may get of a candle, on the grid of ``step``."""
    return floor_to(candle.volume * VOLUME_SHARE, step)


def best_of(order: WorkingOrder, candle: Candle, *, placed_inside: bool) -> Decimal:
    """Return the best price that a trailing stop may count: not the extreme of the one it was placed in."""
    if placed_inside:
        return candle.close
    return candle.high if order.side == "sell" else candle.low


def path_rank(side: Side, stop: Decimal | None) -> Decimal:
    """Return the order in which a price that runs against the position meets the stops."""
    level = stop if stop is not None else Decimal(0)
    return level if side == "buy" else -level
