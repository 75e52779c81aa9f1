"""Trailing stops: the stop follows the best price at its distance and is never loosened."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from protocol.messages.trading import Away, Level, Side
from workers.broker.matching import stop_on_tick
from workers.broker.money import exactly
from workers.broker.orders import WorkingOrder


@exactly
def stop_at(side: Side, best: Decimal, trail: Level, tick: Decimal) -> Decimal:
    """Return the stop that trails ``best``; ``side`` is that of the stop order. At least one tick."""
    distance = best * trail.fraction if isinstance(trail, Away) else trail.price
    level = best - distance if side == "sell" else best + distance
    return max(stop_on_tick(side, level, tick), tick)


def raised(order: WorkingOrder, price: Decimal, tick: Decimal) -> WorkingOrder:
    """Return the order after ``price`` was seen; itself when that is no better than the best so far."""
    if order.trail is None:
        return order
    better = order.best is None or (price > order.best if order.side == "sell" else price < order.best)
    if not better:
        return order
    level = stop_at(order.side, price, order.trail, tick)
    return replace(order, best=price, stop=tighter(order.side, level, order.stop))


def tighter(side: Side, one: Decimal, other: Decimal | None) -> Decimal:
    """Return whichever stop is nearer to the market."""
    if other is None:
        return one
    return max(one, other) if side == "sell" else min(one, other)
