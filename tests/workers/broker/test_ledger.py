"""The books against an account that only counts cash."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.broker.errors import LedgerBroken
from workers.broker.ledger import Books, Contract
from workers.broker.money import exactly

D = Decimal
quantities = st.decimals("-5", "5", places=8).filter(bool)
prices = st.decimals("0.01", "90000", places=2)
fees = st.decimals("0", "10", places=8)
trades = st.lists(st.tuples(quantities, prices, fees), min_size=1, max_size=60)


@pytest.mark.req("B4")
@settings(max_examples=150)
@given(trades, st.sampled_from(["spot", "linear"]), prices)
@exactly
def test_equity_equals_an_independent_cash_account(
    history: list[tuple[Decimal, Decimal, Decimal]], contract: Contract, mark: Decimal
) -> None:
    """Whatever is traded, flips included, equity is the cash paid and received plus what is held, exactly."""
    books, cash, held = Books.opened(D(10000)), D(10000), D(0)
    for quantity, price, fee in history:
        books = books.traded("X", contract, quantity, price, fee).books
        cash -= quantity * price + fee
        held += quantity
        books.check()

        assert held == books.quantity("X")
        assert cash + held * mark == books.equity({"X": mark})


@pytest.mark.req("B4")
@settings(max_examples=100)
@given(trades, st.sampled_from(["spot", "linear"]))
@exactly
def test_the_flows_of_cash_tell_the_whole_story(
    history: list[tuple[Decimal, Decimal, Decimal]], contract: Contract
) -> None:
    """Each flow's balance is the one before plus its amount, and the last one is the cash."""
    books, balance = Books.opened(D(10000)), D(10000)
    for quantity, price, fee in history:
        booking = books.traded("X", contract, quantity, price, fee)
        for flow in booking.flows:
            balance += flow.amount
            assert balance == flow.balance
        books = booking.books

        assert balance == books.cash


@pytest.mark.req("B4")
def test_hand_worked_round_trip_with_a_flip() -> None:
    """Buy 2 at 100 and 1 at 130 (average 110), sell 1 at 120 (+10), sell 4 at 90 (-40, then short 2)."""
    books = Books.opened(D(1000))
    books = books.traded("X", "linear", D(2), D(100), D("0.2")).books
    books = books.traded("X", "linear", D(1), D(130), D("0.1")).books
    assert books.positions["X"].average == 110

    reduced = books.traded("X", "linear", D(-1), D(120), D("0.1"))
    assert reduced.realised == 10
    assert reduced.books.positions["X"].average == 110

    flipped = reduced.books.traded("X", "linear", D(-4), D(90), D("0.4"))
    assert flipped.realised == -40
    assert flipped.books.quantity("X") == -2
    assert flipped.books.positions["X"].average == 90
    assert flipped.books.cash == D("969.2")
    assert flipped.books.equity({"X": D(80)}) == D("989.2")


@pytest.mark.req("B4")
def test_a_position_that_is_closed_leaves_nothing_behind() -> None:
    """Thirds do not divide evenly, yet a closed position has no rest of cost."""
    books = Books.opened(D(100))
    books = books.traded("X", "spot", D(3), D(10), D(0)).books
    books = books.traded("X", "spot", D(4), D("11.37"), D(0)).books
    for _ in range(7):
        books = books.traded("X", "spot", D(-1), D(12), D(0)).books
        books.check()

    assert books.positions == {}
    assert books.realised == D("8.52")


def test_funding_is_paid_on_the_notional_and_rounded_against_us() -> None:
    """A long pays a positive rate, a short receives it."""
    long = Books.opened(D(100)).traded("X", "linear", D(1), D(3), D(0)).books
    short = Books.opened(D(100)).traded("X", "linear", D(-1), D(3), D(0)).books
    rate = D("0.000000011")

    assert long.funded(D(1), D(3), rate).books.funding == D("-0.00000004")
    assert short.funded(D(-1), D(3), rate).books.funding == D("0.00000003")


@pytest.mark.req("B5")
def test_books_that_do_not_balance_are_refused() -> None:
    """Cash that nothing explains stops the broker for a person to look."""
    broken = Books(cash0=D(100), cash=D("100.00000001"))
    with pytest.raises(LedgerBroken) as caught:
        broken.check()

    assert caught.value.counted - caught.value.explained == D("0.00000001")


@pytest.mark.req("B4")
@exactly
def test_a_hundred_thousand_random_fills_with_flips_lose_no_digit() -> None:
    """One account that knows averages and one that only counts cash agree all the way."""
    chance = Random(5)
    books, cash, held = Books.opened(D(10000)), D(10000), D(0)
    for nth in range(100_000):
        quantity = D(chance.randint(-(10**9), 10**9)).scaleb(-8)
        price, fee = D(chance.randint(1, 10**7)).scaleb(-2), D(chance.randint(0, 10**6)).scaleb(-8)
        if not quantity:
            continue
        books = books.traded("X", "linear", quantity, price, fee).books
        cash -= quantity * price + fee
        held += quantity
        if nth % 1000 == 0 or nth == 99_999:
            books.check()
            assert cash + held * price == books.equity({"X": price})
            assert held == books.quantity("X")
