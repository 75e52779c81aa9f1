"""Admission (R13): from what a strategy wants to a quantity that the account can carry, or a typed denial.

Spot buys need the cash, spot sells the coins. A linear position, after all that is working, may be worth no
more than the equity times the leverage. Reducing is always allowed; what protects a position reserves
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from protocol.messages.market import Instrument
from protocol.messages.trading import EquityFraction, Order, Quantity, Side, Size
from workers.broker.denial import Denial
from workers.broker.ledger import Books
from workers.broker.margin import margin_of, tier_of
from workers.broker.matching import Terms, affordable, fee, limit_on_tick, stop_on_tick, taker_price
from workers.broker.money import CENT, ZERO, ceil_to, exactly, floor_to, ratio, text
from workers.broker.orders import WorkingOrder


class Admission(Struct, frozen=True):
    """The quantity on the instrument's grid and the price that funds are reserved at."""

    quantity: Decimal
    estimate: Decimal


class Account(Struct, frozen=True, kw_only=True):
    """What admission looks at: the books, the orders at work on the symbol, the last price, the rules.

    ``permissive``: tiers that nobody knows let the configured leverage stand (recordings).
    """

    books: Books
    working: Sequence[WorkingOrder]
    equity: Decimal
    mark: Decimal
    instrument: Instrument
    terms: Terms
    permissive: bool = True

    @property
    def step(self) -> Decimal:
        """The grid of quantities, in the base currency."""
        return self.instrument.step * self.instrument.contract_size

    def reducible(self, symbol: str, side: Side) -> Decimal:
        """How much of the position ``side`` can still take back, after the orders certain to do so."""
        same = sum((o.rest for o in self.working if o.side == side and not o.resting), ZERO)
        held = self.books.quantity(symbol)
        return max((held if side == "sell" else -held) - same, ZERO)

    def room(self, symbol: str, side: Side, estimate: Decimal) -> Decimal:
        """How much more of ``side`` the account can carry at this price, on the grid of the step."""
        if self.instrument.contract == "linear":
            leverage, funds = self.terms.leverage, self.equity - self._fees_due()
            limit = affordable(funds, estimate, self.terms, self.step, leverage)
            expected = self.books.quantity(symbol) + self._expected(side)
            return max(limit - (expected if side == "buy" else -expected), ZERO)
        if side == "sell":
            offered = sum((o.rest for o in self._adding("sell") if o.resting), ZERO)
            return max(self.reducible(symbol, side) - offered, ZERO)
        return affordable(self.books.cash - self.reserved(), estimate, self.terms, self.step, Decimal(1))

    @exactly
    def reserved(self) -> Decimal:
        """The funds that orders at work will need: on spot their cost, else their margin; and their fees."""
        if self.instrument.contract == "linear":
            worth = sum((o.rest * o.estimate for o in self.working if not o.reduce_only), ZERO)
            return ceil_to(ratio(worth, self.terms.leverage), CENT) + self._fees_due()
        return sum((o.rest * o.estimate for o in self._adding("buy")), ZERO) + self._fees_due()

    @exactly
    def funds(self) -> Funds:
        """Divide the account into what is bound and what is free."""
        bound = sum((margin_of(held, self.terms.leverage) for held in self.books.positions.values()), ZERO)
        return Funds(total=self.equity, reserved=bound + self.reserved())

    def _expected(self, side: Side) -> Decimal:
        """What the orders at work will add, signed: all that fill for certain, and limits on this side."""
        certain = (o.signed for o in self.working if not o.resting)
        possible = (o.signed for o in self._adding(side) if o.resting)
        return sum(certain, ZERO) + sum(possible, ZERO)

    def _adding(self, side: Side) -> list[WorkingOrder]:
        return [o for o in self.working if o.side == side and not o.reduce_only]

    def _fees_due(self) -> Decimal:
        return sum((fee(o.rest, o.estimate, self.terms) for o in self.working if o.parent is None), ZERO)


class Funds(Struct, frozen=True):
    """An account divided: what positions and orders bind, and the rest."""

    total: Decimal
    reserved: Decimal

    @property
    def free(self) -> Decimal:
        """What may still be used; below 0 when the market has eaten into what is bound."""
        return self.total - self.reserved


@exactly
def admit(order: Order, account: Account) -> Admission | Denial:
    """Size an order and check it against the account and the instrument's filters."""
    reference = order.limit or order.stop or account.mark
    estimate = _estimate(order, account, reference)
    wanted = _wanted(order.size, account, reference)
    if order.reduce_only:
        return _reduction(order, wanted, account, estimate)
    return _entry(order, wanted, account, estimate)


@exactly
def on_grid(order: WorkingOrder, tick: Decimal) -> WorkingOrder:
    """Return an order with its prices on the tick, away from advantage."""
    limit = None if order.limit is None else max(limit_on_tick(order.side, order.limit, tick), tick)
    stop = None if order.stop is None else max(stop_on_tick(order.side, order.stop, tick), tick)
    return replace(order, limit=limit, stop=stop)


@exactly
def fillable(
    order: WorkingOrder, wanted: Decimal, price: Decimal, account: Account
) -> tuple[Decimal, str | None]:
    """Return how much of an order may be filled now, and what it is short of.

    Cut down to what is held (reducing, and selling on spot) and, for a spot buy, to what cash pays for when
    the price has run away from the one that funds were reserved at.
    """
    spot = account.instrument.contract == "spot"
    if order.reduce_only or (spot and order.side == "sell"):
        held = account.books.quantity(order.symbol)
        reducible = max(held if order.side == "sell" else -held, ZERO)
        return (wanted, None) if wanted <= reducible else (reducible, "nothing_to_reduce")
    if not spot:
        return wanted, None
    others = [o for o in account.working if o.client_order_id != order.client_order_id]
    reserved = replace(account, working=others).reserved()
    limit = affordable(account.books.cash - reserved, price, account.terms, account.step, Decimal(1))
    return (wanted, None) if wanted <= limit else (limit, "insufficient_funds")


def _estimate(order: Order, account: Account, reference: Decimal) -> Decimal:
    if order.kind in ("limit", "stop_limit"):
        return reference
    return taker_price(order.side, reference, account.terms, account.instrument.tick)


def _wanted(size: Size, account: Account, reference: Decimal) -> Decimal | None:
    """Return the quantity asked for before any limit; None: all there is."""
    match size:
        case EquityFraction(fraction=fraction):
            return floor_to(ratio(max(account.equity, ZERO) * fraction, reference), account.step)
        case Quantity(amount=amount):
            return floor_to(amount, account.step)
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
        return _too_small(account.step)
    return Denial("nothing_to_reduce", f"no position in {order.symbol} that a {order.side} would reduce")


def _entry(order: Order, wanted: Decimal | None, account: Account, estimate: Decimal) -> Admission | Denial:
    quantity, rules = wanted or ZERO, account.instrument
    if quantity <= 0:
        return _too_small(account.step)
    if (denial := _leverage_fault(account, quantity * estimate)) is not None:
        return denial
    room = account.room(order.symbol, order.side, estimate)
    if quantity > room:
        if not _is_whole_equity(order.size) or room <= 0:
            return _no_room(order, quantity, room, account)
        quantity = room
    if quantity < rules.min_quantity * rules.contract_size:
        return _too_small(rules.min_quantity * rules.contract_size)
    notional = quantity * (order.limit or account.mark)
    if notional < rules.min_notional:
        least = text(rules.min_notional)
        return Denial(
            "below_min_notional", f"the order is worth {text(notional)}: at least {least} is needed"
        )
    return Admission(quantity, estimate)


def _leverage_fault(account: Account, notional: Decimal) -> Denial | None:
    """R12: leverage above 1 needs tiers that allow it; only a recording may do without."""
    wanted = account.terms.leverage
    if wanted == 1:
        return None
    if account.instrument.contract == "spot":
        return Denial("leverage", f"leverage {text(wanted)}: a spot market has none, set 1")
    tier = tier_of(account.instrument, notional)
    if tier is None:
        unknown = f"leverage {text(wanted)}: the venue's margin tiers are not known, only 1 is allowed"
        return None if account.permissive else Denial("unknown_tiers", unknown)
    if wanted > tier.leverage:
        return Denial(
            "leverage", f"leverage {text(wanted)}: at most {text(tier.leverage)} for {text(notional)}"
        )
    return None


def _is_whole_equity(size: Size) -> bool:
    """A fraction of equity up to 1 means "as much as it buys": costs may take their part of it."""
    return isinstance(size, EquityFraction) and size.fraction <= 1


def _too_small(least: Decimal) -> Denial:
    return Denial("quantity_too_small", f"less than the smallest quantity of {text(least)}")


def _no_room(order: Order, quantity: Decimal, room: Decimal, account: Account) -> Denial:
    asked = f"{order.side} {text(quantity)} {order.symbol}"
    if account.instrument.contract == "spot" and order.side == "sell":
        return Denial("short_not_allowed", f"{asked}: spot holds {text(room)}, and nothing can be sold short")
    leverage = text(account.terms.leverage)
    return Denial("insufficient_funds", f"{asked}: the free funds carry {text(room)} at leverage {leverage}")
