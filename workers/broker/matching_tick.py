"""Tick mode: what one quote or one trade gives an order. Pure.

A quote tells the best price and how much there is of it. What is taken beyond that is not seen, so it is
supposed one tick worse for each further multiple of that size (R2). What was taken of a quote is gone from it
(R9).
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Final, NamedTuple

from protocol.messages.tick import Quote, Trade
from protocol.messages.trading import Side
from workers.broker.matching import BASIS_POINT, Terms, taker_price
from workers.broker.money import ZERO, ceil_to, exactly, floor_to, ratio
from workers.broker.orders import WorkingOrder

PROTECTION: Final = Decimal("0.01")
"""How far from the touch a market order may walk."""


class Touch(NamedTuple):
    """One side of a quote: its price, its size, and how much was taken of it and beyond."""

    price: Decimal
    size: Decimal
    taken: Decimal = ZERO


class Walked(NamedTuple):
    """What a taker gets: the quantity, and its average price after slippage."""

    quantity: Decimal
    price: Decimal


@exactly
def walk(
    side: Side,
    touch: Touch,
    wanted: Decimal,
    terms: Terms,
    *,
    tick: Decimal,
    step: Decimal,
    limit: Decimal | None = None,
) -> Walked | None:
    """Take ``wanted`` of a side of a quote, as far as protection and ``limit`` allow; None: nothing."""
    if touch.size <= 0:
        return None
    levels = _levels(side, touch.price, terms, tick, limit)
    quantity = floor_to(min(wanted, levels * touch.size - touch.taken), step)
    if quantity <= 0:
        return None
    depth = _area(touch, touch.taken + quantity) - _area(touch, touch.taken)
    away = ceil_to(ratio(depth, quantity), Decimal(1)) * tick
    average = touch.price + away if side == "buy" else touch.price - away
    return Walked(quantity, taker_price(side, average, terms, tick))


def crossed(order: WorkingOrder, quote: Quote) -> bool:
    """Whether the opposite side of a quote has come to a limit."""
    assert order.limit is not None  # a limit has one
    return quote.ask <= order.limit if order.side == "buy" else quote.bid >= order.limit


def stop_touched(order: WorkingOrder, bid: Decimal, ask: Decimal) -> bool:
    """R5: a stop that sells is touched by the bid, one that buys by the ask."""
    if order.stop is None:
        return False
    return bid <= order.stop if order.side == "sell" else ask >= order.stop


def printed_through(order: WorkingOrder, trade: Trade) -> bool:
    """Whether a trade printed strictly beyond a limit."""
    assert order.limit is not None  # a limit has one
    return trade.price < order.limit if order.side == "buy" else trade.price > order.limit


def printed_at(order: WorkingOrder, trade: Trade) -> bool:
    """Whether a trade took from the queue that a limit stands in."""
    taken_by: Side = "sell" if order.side == "buy" else "buy"
    return trade.price == order.limit and trade.side == taken_by


def queue_ahead(order: WorkingOrder, quote: Quote) -> Decimal | None:
    """Return what stands before a limit: nothing inside the spread, at the touch what is displayed there on
    arrival; None while it is behind the touch, where nobody sees."""
    assert order.limit is not None  # a limit has one
    best, size = (quote.bid, quote.bid_size) if order.side == "buy" else (quote.ask, quote.ask_size)
    if order.limit == best:
        return size if order.ahead is None else order.ahead
    inside = order.limit > best if order.side == "buy" else order.limit < best
    return ZERO if inside else order.ahead


def _levels(side: Side, price: Decimal, terms: Terms, tick: Decimal, limit: Decimal | None) -> Decimal:
    """Return how many levels may be taken, the touch included."""
    most = _whole(ratio(price * PROTECTION, tick))
    if limit is not None:
        slip = terms.slippage_bps * BASIS_POINT
        # What may be paid before slippage; whole ticks, so that the difference is exact.
        worst = ratio(limit, 1 + slip if side == "buy" else 1 - slip)
        room = floor_to(worst, tick) - price if side == "buy" else price - ceil_to(worst, tick)
        most = min(most, _whole(ratio(room, tick)))
    return most + 1


def _area(touch: Touch, quantity: Decimal) -> Decimal:
    """Return the sum of levels over the first ``quantity``: level 0 is the touch."""
    full = _whole(ratio(quantity, touch.size))
    return touch.size * full * (full - 1) / 2 + (quantity - full * touch.size) * full


def _whole(value: Decimal) -> Decimal:
    return value.to_integral_value(rounding=ROUND_FLOOR)
