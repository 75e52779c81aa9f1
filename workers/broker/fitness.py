"""Whether an order makes sense at all, before anybody asks what it costs. Pure: the first fault found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from protocol.messages.trading import AtPrice, Away, Bracket, EquityFraction, Level, Order, Quantity
from workers.broker.bracket import RESERVED
from workers.broker.denial import Denial

_HUGE: Final = Decimal("1e15")
_FINE: Final = -18
_LONGEST_ID: Final = 128

NEEDS: Final[dict[str, frozenset[str]]] = {
    "market": frozenset(),
    "limit": frozenset({"limit"}),
    "stop": frozenset({"stop"}),
    "stop_limit": frozenset({"limit", "stop"}),
    "trailing": frozenset({"trail"}),
}
"""The prices that each kind of order has: these and no others."""


def fault(order: Order, now_ms: int, mark: Decimal) -> Denial | None:
    """Return the first thing that is wrong with an order at a time of the data; None when it makes sense."""
    for find in _CHECKS:
        if (found := find(order)) is not None:
            return found
    if order.expires_ms is not None and order.expires_ms <= now_ms:
        return Denial("expired", f"it expired at {order.expires_ms}, and it is {now_ms}")
    return _bracket_fault(order, mark)


def _id_fault(order: Order) -> Denial | None:
    name = order.client_order_id
    if not 0 < len(name) <= _LONGEST_ID or any(word in name for word in RESERVED):
        return Denial(
            "invalid_order",
            f"the id {name[:40]!r}: 1 to {_LONGEST_ID} characters are allowed, without"
            f" {' or '.join(RESERVED)}",
        )
    return None


def _size_fault(order: Order) -> Denial | None:
    match order.size:
        case EquityFraction(fraction=amount) | Quantity(amount=amount):
            problem = _number_fault(amount)
            return Denial("invalid_size", f"the size is {problem}") if problem else None
        case _ if not order.reduce_only:
            return Denial("invalid_size", "the whole position can only be reduced: set reduce_only")
    return None


def _price_fault(order: Order) -> Denial | None:
    for name, price in _prices(order):
        if (problem := _number_fault(price)) is not None:
            return Denial("invalid_price", f"{name} is {problem}")
    for name, level in _levels(order):
        if isinstance(level, Away) and level.fraction >= 1:
            return Denial("invalid_price", f"{name} is {level.fraction} away: a fraction under 1 is needed")
    return None


def _kind_fault(order: Order) -> Denial | None:
    needed = NEEDS[order.kind]
    for name in ("limit", "stop", "trail"):
        if (getattr(order, name) is not None) != (name in needed):
            word = "needs" if name in needed else "has no"
            return Denial("invalid_order", f"a {order.kind} order {word} {name}")
    rests = "limit" in needed
    if order.post_only and not (rests and order.time_in_force == "gtc"):
        return Denial("invalid_order", "post_only is for limits that may rest (gtc)")
    if order.time_in_force == "ioc" and order.kind not in ("market", "limit"):
        return Denial("invalid_order", f"a {order.kind} order waits for its trigger: it cannot be ioc")
    if order.bracket is not None and (order.reduce_only or order.bracket == Bracket()):
        return Denial("invalid_order", "a bracket protects an entry, and has a stop, a target or a trail")
    return None


_CHECKS: Final[tuple[Callable[[Order], Denial | None], ...]] = (
    _id_fault,
    _size_fault,
    _price_fault,
    _kind_fault,
)


def _number_fault(amount: Decimal) -> str | None:
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int):
        return f"{amount}: a finite number is needed"
    if amount <= 0:
        return f"{amount:.20g}: it must be above 0"
    if amount > _HUGE or exponent < _FINE:
        return f"{amount:.3e}: at most {_HUGE:.0e}, and at most {-_FINE} decimal places"
    return None


def _prices(order: Order) -> Iterator[tuple[str, Decimal]]:
    for name, price in (("limit", order.limit), ("stop", order.stop), ("decided_price", order.decided_price)):
        if price is not None:
            yield name, price
    for name, level in _levels(order):
        yield name, level.fraction if isinstance(level, Away) else level.price


def _levels(order: Order) -> Iterator[tuple[str, Level]]:
    if order.trail is not None:
        yield "trail", order.trail
    bracket = order.bracket or Bracket()
    for name in ("stop", "target", "trail"):
        level = getattr(bracket, name)
        if level is not None:
            yield f"bracket.{name}", level


def _bracket_fault(order: Order, mark: Decimal) -> Denial | None:
    """A stop beyond the entry, or a target behind it, would end the trade where it begins."""
    if order.bracket is None:
        return None
    entry = order.limit or order.stop or mark
    for name, level, above in (
        ("stop", order.bracket.stop, order.side == "sell"),
        ("target", order.bracket.target, order.side == "buy"),
    ):
        if isinstance(level, AtPrice) and (level.price <= entry if above else level.price >= entry):
            where = "above" if above else "below"
            return Denial(
                "invalid_order",
                f"the {name} of a {order.side} must be {where} {entry}, found {level.price}",
            )
    return None
