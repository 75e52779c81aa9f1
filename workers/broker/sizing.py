"""Admission (R13): from what a strategy wants to a quantity that the account can carry, or a typed denial.

Leverage is 1: spot buys need the cash, spot sells the coins; a linear position, after all that is working,
may be worth no more than the equity. Reducing is always allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct

from protocol.messages.market import Instrument
from protocol.messages.trading import EquityFraction, Order, Quantity, Side, Size
from workers.broker.ledger import Books
from workers.broker.matching import Terms, affordable, taker_fee, taker_price
from workers.broker.money import ZERO, exactly, floor_to, ratio, text
from workers.broker.orders import WorkingOrder

DenialCode = Literal[
    "dry_run",
    "duplicate_id",
    "stale",
    "unknown_symbol",
    "no_price",
    "invalid_size",
    "quantity_too_small",
    "below_min_notional",
    "insufficient_funds",
    "short_not_allowed",
    "nothing_to_reduce",
]

_HUGE: Final = Decimal("1e15")
_FINE: Final = -18


class Denial(Struct, frozen=True):
    """Why an order was refused before any venue saw it; ``detail`` is a sentence."""

    code: DenialCode
    detail: str


class Admission(Struct, frozen=True):
    """The quantity on the instrument's grid and the price that funds are reserved at."""

    quantity: Decimal
    estimate: Decimal


class Account(Struct, frozen=True, kw_only=True):
    """What admission looks at: the books, the orders at work on the symbol, the last price, the rules."""

    books: Books
    working: Sequence[WorkingOrder]
    equity: Decimal
    mark: Decimal
    instrument: Instrument
    terms: Terms

    def reducible(self, symbol: str, side: Side) -> Decimal:
        """How much of the position ``side`` can still take back, after the orders already doing so."""
        same = sum((abs(o.signed) for o in self.working if o.side == side), ZERO)
        held = self.books.quantity(symbol)
        return max((held if side == "sell" else -held) - same, ZERO)

    def room(self, symbol: str, side: Side, estimate: Decimal) -> Decimal:
        """How much more of ``side`` the account can carry at this price, on the grid of the step."""
        if self.instrument.contract == "linear":
            limit = affordable(self.equity - self._fees_due(), estimate, self.terms, self.instrument.step)
            expected = self.books.quantity(symbol) + sum((o.signed for o in self.working), ZERO)
            return max(limit - (expected if side == "buy" else -expected), ZERO)
        if side == "sell":
            return self.reducible(symbol, side)
        return affordable(self.books.cash - self.reserved(), estimate, self.terms, self.instrument.step)

    def reserved(self) -> Decimal:
        """The cash that buys at work on a spot market will need."""
        buys = (o for o in self.working if o.side == "buy")
        return sum((o.signed * o.estimate for o in buys), ZERO) + self._fees_due()

    def _fees_due(self) -> Decimal:
        return sum((taker_fee(abs(o.signed), o.estimate, self.terms) for o in self.working), ZERO)


@exactly
def admit(order: Order, account: Account) -> Admission | Denial:
    """Size an order and check it against the account and the instrument's filters."""
    if (fault := _fault(order)) is not None:
        return Denial("invalid_size", fault)
    estimate = taker_price(order.side, account.mark, account.terms, account.instrument.tick)
    wanted = _wanted(order.size, account)
    if order.reduce_only:
        return _reduction(order, wanted, account, estimate)
    return _entry(order, wanted, account, estimate)


def _fault(order: Order) -> str | None:
    match order.size:
        case EquityFraction(fraction=amount) | Quantity(amount=amount):
            return _amount_fault(amount)
        case _:
            return None if order.reduce_only else "the whole position can only be reduced: set reduce_only"


def _amount_fault(amount: Decimal) -> str | None:
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int):
        return f"the size is {amount}: a finite number is needed"
    if amount <= 0:
        return f"the size is {amount}: it must be above 0"
    if amount > _HUGE or exponent < _FINE:
        return f"the size is {amount:.3e}: at most {_HUGE:.0e}, and at most {-_FINE} decimal places"
    return None


def _wanted(size: Size, account: Account) -> Decimal | None:
    """Return the quantity asked for before any limit; None: all there is."""
    step = account.instrument.step
    match size:
        case EquityFraction(fraction=fraction):
            return floor_to(ratio(max(account.equity, ZERO) * fraction, account.mark), step)
        case Quantity(amount=amount):
            return floor_to(amount, step)
        case _:
            return None


def _reduction(
    order: Order, wanted: Decimal | None, account: Account, estimate: Decimal
) -> Admission | Denial:
    held = account.reducible(order.symbol, order.side)
    quantity = held if wanted is None else min(wanted, held)
    if quantity > 0:
        return Admission(quantity, estimate)
    if held > 0:
        return _too_small(account)
    return Denial("nothing_to_reduce", f"no position in {order.symbol} that a {order.side} would reduce")


def _entry(order: Order, wanted: Decimal | None, account: Account, estimate: Decimal) -> Admission | Denial:
    quantity = wanted or ZERO
    if quantity <= 0:
        return _too_small(account)
    room = account.room(order.symbol, order.side, estimate)
    if quantity > room:
        if not _is_whole_equity(order.size) or room <= 0:
            return _no_room(order, quantity, room, account)
        quantity = room
    notional = quantity * account.mark
    if notional < account.instrument.min_notional:
        least = text(account.instrument.min_notional)
        return Denial(
            "below_min_notional", f"the order is worth {text(notional)}: at least {least} is needed"
        )
    return Admission(quantity, estimate)


def _is_whole_equity(size: Size) -> bool:
    """A fraction of equity up to 1 means "as much as it buys": costs may take their part of it."""
    return isinstance(size, EquityFraction) and size.fraction <= 1


def _too_small(account: Account) -> Denial:
    return Denial("quantity_too_small", f"less than one step of {text(account.instrument.step)}")


def _no_room(order: Order, quantity: Decimal, room: Decimal, account: Account) -> Denial:
    asked = f"{order.side} {text(quantity)} {order.symbol}"
    if account.instrument.contract == "spot" and order.side == "sell":
        return Denial("short_not_allowed", f"{asked}: spot holds {text(room)}, and nothing can be sold short")
    return Denial("insufficient_funds", f"{asked}: the free funds carry {text(room)} at leverage 1")
