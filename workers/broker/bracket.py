"""Brackets: the stop and the target that protect an entry from its first fill on; one cancels the other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from protocol.messages.trading import AtPrice, Bracket, Level, Order, Quantity, Side
from workers.broker.matching import limit_on_tick, stop_on_tick
from workers.broker.money import exactly, floor_to, ratio
from workers.broker.orders import WorkingOrder
from workers.broker.trailing import stop_at, tighter

_FINE: Final = Decimal("1e-12")
STOP_SUFFIX: Final = "/stop"
TARGET_SUFFIX: Final = "/target"
RESERVED: Final = (STOP_SUFFIX, TARGET_SUFFIX)


@exactly
def protectors(
    entry: WorkingOrder, quantity: Decimal, tick: Decimal, *, row: int, at_ms: int
) -> tuple[WorkingOrder, ...]:
    """Return the orders that protect ``quantity`` of an entry, stop first; levels count from its average
    price.

    The same entry after a further fill gives the same orders with the new quantity and levels.
    """
    bracket = entry.bracket
    if bracket is None:
        return ()
    # Fills at several prices have an average without end; exact arithmetic needs one.
    average = floor_to(ratio(entry.spent, entry.filled), _FINE)
    found = (_stop(entry, bracket, average, tick), _target(entry, bracket, average, tick))
    placed = {"quantity": quantity, "row": row, "accepted_ms": at_ms, "due_ms": at_ms, "met": True}
    return tuple(replace(one, **placed) for one in found if one is not None)


def as_order(protector: WorkingOrder) -> Order:
    """Return the form in which an order of the broker's own making is put on record."""
    return Order(
        client_order_id=protector.client_order_id,
        strategy=protector.strategy,
        symbol=protector.symbol,
        row=protector.row,
        leg=0,
        decided_ms=protector.accepted_ms,
        side=protector.side,
        size=Quantity(protector.quantity),
        reduce_only=True,
        kind=protector.kind,
        limit=protector.limit,
        stop=protector.stop,
        trail=protector.trail,
        reason=protector.reason,
    )


@exactly
def level_price(level: Level, average: Decimal, *, above: bool) -> Decimal:
    """Return the price of a level; ``above`` says on which side of the average a distance counts."""
    if isinstance(level, AtPrice):
        return level.price
    return average * (1 + level.fraction if above else 1 - level.fraction)


def _stop(entry: WorkingOrder, bracket: Bracket, average: Decimal, tick: Decimal) -> WorkingOrder | None:
    side = closing_side(entry.side)
    level: Decimal | None = None
    if bracket.stop is not None:
        level = stop_on_tick(side, level_price(bracket.stop, average, above=side == "buy"), tick)
    if bracket.trail is None:
        return None if level is None else _bare(entry, STOP_SUFFIX, "stop", kind="stop", stop=level)
    followed = stop_at(side, average, bracket.trail, tick)
    first = tighter(side, followed, level)
    order = _bare(entry, STOP_SUFFIX, "trailing", kind="trailing", stop=first)
    return replace(order, trail=bracket.trail, best=average)


def _target(entry: WorkingOrder, bracket: Bracket, average: Decimal, tick: Decimal) -> WorkingOrder | None:
    if bracket.target is None:
        return None
    side = closing_side(entry.side)
    level = level_price(bracket.target, average, above=side == "sell")
    return _bare(entry, TARGET_SUFFIX, "target", kind="limit", limit=limit_on_tick(side, level, tick))


def _bare(entry: WorkingOrder, suffix: str, reason: str, **how: Any) -> WorkingOrder:
    # A protector that ended before the entry did is followed by another, and ids are used once.
    again = f".{entry.fills}" if entry.fills > 1 else ""
    return WorkingOrder(
        client_order_id=f"{entry.client_order_id}{suffix}{again}",
        strategy=entry.strategy,
        symbol=entry.symbol,
        side=closing_side(entry.side),
        quantity=entry.quantity,
        estimate=entry.estimate,
        parent=entry.client_order_id,
        reason=reason,
        reduce_only=True,
        trigger=entry.trigger,
        **how,
    )


def closing_side(side: Side) -> Side:
    """Return the side that takes an entry back."""
    return "sell" if side == "buy" else "buy"
