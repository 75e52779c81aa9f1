"""Admission (R13) by hand: what is reserved, what is free, and how much more the account carries."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from protocol.messages.market import Instrument
from protocol.messages.trading import EquityFraction, Order, Quantity, Side
from tests.workers.broker.bench import BTC, D, order
from workers.broker.denial import Denial
from workers.broker.ledger import Books
from workers.broker.matching import Terms, affordable, fee, limit_on_tick, stop_on_tick, taker_price
from workers.broker.orders import WorkingOrder
from workers.broker.sizing import Account, Admission, admit, fillable

TERMS = Terms(taker=D("0.001"), slippage_bps=D(0))
CASH = D(1000)


def account(contract: Any = "spot", *, held: str = "0", working: Any = (), **how: Any) -> Account:
    """Give an account of 1000 that bought what it holds at 10, for no fee; the mark is 10."""
    rules = {"tick": D("0.01"), "step": D("0.1"), "contract": contract, **how.pop("rules", {})}
    terms = Terms(taker=D("0.001"), slippage_bps=D(0), leverage=how.pop("leverage", D(1)))
    books = Books.opened(CASH)
    if D(held):
        books = books.traded(BTC, contract, D(held), D(10), D(0)).books
    return Account(
        books=books,
        working=working,
        equity=books.equity({BTC: D(10)}),
        mark=D(10),
        instrument=Instrument(**rules),
        terms=terms,
        **how,
    )


def working(side: Side, quantity: str, *, kind: Any = "limit", reduce_only: bool = False) -> WorkingOrder:
    """Give an order at work at 10."""
    return WorkingOrder(
        client_order_id="w",
        strategy="s",
        symbol=BTC,
        side=side,
        quantity=D(quantity),
        estimate=D(10),
        kind=kind,
        limit=D(10) if kind == "limit" else None,
        reduce_only=reduce_only,
    )


def wish(side: Side, quantity: str, **how: Any) -> Order:
    """Give an order for a quantity."""
    return order(1, side, Quantity(D(quantity)), **how)


def code(found: Admission | Denial) -> str | Decimal:
    """Return the code of a denial, or the quantity admitted."""
    return found.code if isinstance(found, Denial) else found.quantity


# --- reserved, free, total ----------------------------------------------------------------------


@pytest.mark.req("B4")
def test_what_is_free_and_what_is_reserved_add_up_to_the_total() -> None:
    """Spot: the cost of what is held, the cost of what waits to be bought (10 x 2), its fee (20 x 0.001)."""
    funds = account(held="30", working=[working("buy", "2")]).funds()

    assert (funds.total, funds.reserved) == (D(1000), D("320.02"))
    assert funds.free == D("679.98")


@pytest.mark.req("B4")
def test_a_linear_position_and_its_entries_bind_margin_and_exits_bind_nothing() -> None:
    """Leverage 4: 300/4 held, 20/4 waiting, and the fee of 20; the exit that rests costs its fee alone."""
    entry, out = working("buy", "2"), working("sell", "30", reduce_only=True)
    funds = account("linear", held="30", working=[entry, out], leverage=D(4)).funds()

    assert funds.reserved == D(75) + D(5) + D("0.02") + D("0.3")


# --- how much more ------------------------------------------------------------------------------


@pytest.mark.req("B2")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [("97.9", D("97.9")), ("98", "insufficient_funds")],
)
def test_a_spot_buy_is_paid_from_what_is_not_reserved(wanted: str, found: object) -> None:
    """1000 less 20.02, at 10.01 apiece: 97.9."""
    assert code(admit(wish("buy", wanted), account(working=[working("buy", "2")]))) == found


@pytest.mark.req("B2")
@pytest.mark.parametrize(("wanted", "found"), [("20", D(20)), ("20.1", "short_not_allowed")])
def test_a_spot_sale_is_of_what_is_held_and_not_offered_already(wanted: str, found: object) -> None:
    """30 are held, 10 are offered by a limit."""
    selling = account(held="30", working=[working("sell", "10")])
    assert code(admit(wish("sell", wanted), selling)) == found


@pytest.mark.req("B2")
@pytest.mark.parametrize(("wanted", "found"), [("358.3", D("358.3")), ("358.4", "insufficient_funds")])
def test_a_linear_entry_counts_what_is_held_and_all_that_may_fill(wanted: str, found: object) -> None:
    """Leverage 4: (1000 - 0.1 - a cent) x 4 / 10.04 is 398.3; 30 are held and 10 may be bought still."""
    buying = account("linear", held="30", working=[working("buy", "10")], leverage=D(4))
    assert code(admit(wish("buy", wanted), buying)) == found


@pytest.mark.req("B2")
def test_an_exit_at_the_market_leaves_less_for_the_next() -> None:
    """Of 30, 20 are on their way out: 10 can still be reduced, and then nothing."""
    going = account("linear", held="30", working=[working("sell", "20", kind="market", reduce_only=True)])
    assert code(admit(wish("sell", "30", reduce_only=True), going)) == D(10)

    gone = account("linear", held="30", working=[working("sell", "30", kind="market", reduce_only=True)])
    assert code(admit(wish("sell", "30", reduce_only=True), gone)) == "nothing_to_reduce"


@pytest.mark.req("B2")
@pytest.mark.parametrize(
    ("fraction", "found"), [("1", D("99.9")), ("0.5", D(50)), ("1.5", "insufficient_funds")]
)
def test_all_of_the_equity_is_what_its_costs_leave_and_more_is_denied(fraction: str, found: object) -> None:
    """100 at 10.01 apiece are 99.9."""
    assert code(admit(order(1, "buy", EquityFraction(D(fraction))), account())) == found


@pytest.mark.req("B2")
@pytest.mark.parametrize(
    ("rules", "wanted", "found"),
    [
        ({}, "1.29", D("1.2")),
        ({}, "0.09", "quantity_too_small"),
        ({"min_quantity": D(2)}, "1.9", "quantity_too_small"),
        ({"min_quantity": D(2)}, "2", D(2)),
        ({"min_quantity": D(2), "contract_size": D(5)}, "9.5", "quantity_too_small"),
        ({"min_notional": D(50)}, "4.9", "below_min_notional"),
        ({"min_notional": D(50)}, "5", D(5)),
    ],
)
def test_the_filters_of_the_instrument_are_kept(rules: Any, wanted: str, found: object) -> None:
    """R13: floored to the step, then the smallest quantity and the smallest notional."""
    assert code(admit(wish("buy", wanted), account(rules=rules))) == found


# --- at the fill --------------------------------------------------------------------------------


@pytest.mark.req("B2")
def test_a_fill_is_cut_down_to_what_is_there() -> None:
    """Reducing to what is held; a spot buy to what cash pays for, its own reservation not counted."""
    buy, sale = working("buy", "99.9"), working("sell", "40", reduce_only=True)

    assert fillable(sale, D(40), D(10), account("linear", held="30")) == (D(30), "nothing_to_reduce")
    assert fillable(buy, D("99.9"), D(10), account(working=[buy])) == (D("99.9"), None)
    assert fillable(buy, D("99.9"), D(20), account(working=[buy])) == (D("49.9"), "insufficient_funds")


# --- what a price becomes -----------------------------------------------------------------------


@pytest.mark.req("B2")
def test_everything_is_rounded_against_the_trader() -> None:
    """Fees up, taker prices to the worse tick (never below one), limits and stops away from advantage."""
    slip, tick = Terms(taker=D("0.001"), maker=D("0.0001"), slippage_bps=D(10)), D("0.5")

    assert fee(D("0.00001"), D("0.001"), slip) == D("0.00000001")
    assert fee(D(3), D(10), slip, "maker") == D("0.003")
    assert (taker_price("buy", D(100), slip, tick), taker_price("sell", D(100), slip, tick)) == (
        D("100.5"),
        D("99.5"),
    )
    assert taker_price("sell", D("0.2"), slip, tick) == tick
    assert (limit_on_tick("buy", D("10.3"), tick), limit_on_tick("sell", D("10.3"), tick)) == (
        D(10),
        D("10.5"),
    )
    assert (stop_on_tick("buy", D("10.3"), tick), stop_on_tick("sell", D("10.3"), tick)) == (D("10.5"), D(10))
    assert affordable(D("10.01"), D(10), TERMS, D("0.1"), D(1)) == D("0.9")
