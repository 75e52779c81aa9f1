"""Candle mode: what the open of the next candle gives an order that was decided at the close before it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import Struct

from protocol.messages.market import Instrument
from protocol.messages.trading import Side
from workers.broker.ledger import Books
from workers.broker.money import CENT, ZERO, ceil_to, exactly, floor_to, ratio
from workers.broker.orders import WorkingOrder

_BASIS_POINT: Final = Decimal("0.0001")


class Terms(Struct, frozen=True, kw_only=True):
    """What trading costs: the taker's fee as a fraction of notional, slippage in basis points."""

    taker: Decimal = Decimal("0.0005")
    slippage_bps: Decimal = Decimal(1)


class Execution(Struct, frozen=True, kw_only=True):
    """What an order gets. ``quantity`` may be less than asked for, and 0; ``short_of`` says why."""

    quantity: Decimal
    price: Decimal
    fee: Decimal
    short_of: str | None = None


@exactly
def taker_price(side: Side, price: Decimal, terms: Terms, tick: Decimal) -> Decimal:
    """Return ``price`` with slippage, rounded to the tick, both against the trader (never below a tick)."""
    if side == "buy":
        return ceil_to(price * (1 + terms.slippage_bps * _BASIS_POINT), tick)
    return max(floor_to(price * (1 - terms.slippage_bps * _BASIS_POINT), tick), tick)


@exactly
def taker_fee(quantity: Decimal, price: Decimal, terms: Terms) -> Decimal:
    """Return the fee on the notional, rounded up to 8 places."""
    return ceil_to(quantity * price * terms.taker, CENT)


@exactly
def affordable(cash: Decimal, price: Decimal, terms: Terms, step: Decimal) -> Decimal:
    """Return the largest quantity whose price and fee ``cash`` pays for, on the grid of ``step``."""
    unit = price * (1 + terms.taker)
    return max(floor_to(ratio(cash - CENT, unit), step), ZERO)  # a cent for the fee's rounding


@exactly
def execute(
    order: WorkingOrder, opening: Decimal, books: Books, instrument: Instrument, terms: Terms
) -> Execution:
    """Fill an order at the open of a candle.

    Cut down to what is held (``reduce_only``) and, on spot, to what cash pays for when the open has run
    away from the price that funds were reserved at.
    """
    price = taker_price(order.side, opening, terms, instrument.tick)
    quantity, short_of = abs(order.signed), None
    if order.reduce_only:
        held = books.quantity(order.symbol)
        reducible = max(held if order.side == "sell" else -held, ZERO)
        if reducible < quantity:
            quantity, short_of = reducible, "nothing_to_reduce"
    elif instrument.contract == "spot" and order.side == "buy":
        limit = affordable(books.cash, price, terms, instrument.step)
        if limit < quantity:
            quantity, short_of = limit, "insufficient_funds"
    fee = taker_fee(quantity, price, terms)
    return Execution(quantity=quantity, price=price, fee=fee, short_of=short_of)
