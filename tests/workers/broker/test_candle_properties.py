"""What holds for every market and every wish in candle mode."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.market import Candle
from protocol.messages.trading import Fill
from tests.workers.broker.bench import Bench, D
from tests.workers.broker.draws import world
from workers.broker.matching import Terms, fee, taker_price
from workers.broker.money import EXACT
from workers.broker.state import BrokerState, restore

TERMS = Terms(slippage_bps=D(7), leverage=D(2))
SPOT_TERMS = Terms(slippage_bps=D(7))
TICK = D("0.01")
seeds = st.integers(0, 2**48)


def played(seed: int) -> Bench:
    """Play the world of a seed to its end."""
    made = world(seed)
    terms = SPOT_TERMS if made.contract == "spot" else TERMS
    return Bench(made.market, made.said, made.contract, terms=terms).run()


def final(bench: Bench) -> BrokerState:
    """Return the state that is on disk."""
    return restore(bench.state, D(1))


def signed(fill: Fill) -> Decimal:
    """Return a fill's quantity, positive to buy."""
    return fill.quantity if fill.side == "buy" else -fill.quantity


@pytest.mark.req("B2")
@settings(max_examples=50)
@given(seeds)
def test_no_fill_without_evidence(seed: int) -> None:
    """A taker pays a price of the candle and slippage; a maker's limit was gone through; volume is shared."""
    bench = played(seed)
    by_row: dict[int, Decimal] = defaultdict(Decimal)
    for fill in bench.fills:
        candle = bench.market[fill.row - 1]
        assert isinstance(candle, Candle)
        if fill.liquidity == "maker":
            by_row[fill.row] += fill.quantity
            through = candle.low < fill.price if fill.side == "buy" else candle.high > fill.price
            assert through
            assert by_row[fill.row] * 10 <= candle.volume
        else:
            least, most = (taker_price(fill.side, price, TERMS, TICK) for price in (candle.low, candle.high))
            assert least <= fill.price <= most
        assert fill.fee == fee(fill.quantity, fill.price, TERMS, fill.liquidity)


@pytest.mark.req("B4")
@settings(max_examples=50)
@given(seeds)
def test_the_books_equal_an_independent_cash_account(seed: int) -> None:
    """To the last digit: what was paid and received for each fill, plus what is held at its mark."""
    bench = played(seed)
    state = final(bench)
    with localcontext(EXACT):
        cash, held = bench.cash, D(0)
        for fill in bench.fills:
            cash -= signed(fill) * fill.price + fill.fee
            held += signed(fill)
            assert held == fill.position
            assert bench.contract == "linear" or held >= 0
        assert cash + held * state.marks["BTC/USDT"] == state.books.equity(state.marks)
        funds = bench.core._market.office.desk.funds()  # type: ignore[union-attr]
        assert funds.free + funds.reserved == funds.total == state.books.equity(state.marks)
        assert funds.reserved >= 0
        assert funds.reserved == 0 or state.working or state.books.positions
        assert state.books.fees == sum((fill.fee for fill in bench.fills), D(0))
        assert bench.contract == "linear" or state.books.cash >= 0


@pytest.mark.req("B1")
@settings(max_examples=50)
@given(seeds)
def test_nothing_is_filled_twice_and_no_order_beyond_its_quantity(seed: int) -> None:
    """Fill ids are unique; what the table says was filled is the sum of the fills."""
    bench = played(seed)
    filled: dict[object, Decimal] = defaultdict(Decimal)
    for fill in bench.fills:
        filled[fill.client_order_id] += fill.quantity

    assert len({fill.fill_id for fill in bench.fills}) == len(bench.fills)
    for name, quantity, done, status in bench.rows(
        "SELECT client_order_id, quantity, filled, status FROM orders"
    ):
        assert D(str(done)) == filled[name]
        if quantity is not None:
            assert D(str(done)) <= D(str(quantity))
        assert status != "filled" or D(str(done)) == D(str(quantity))


@pytest.mark.req("B3")
@settings(max_examples=50)
@given(seeds)
def test_protection_reduces_only_and_goes_with_its_position(seed: int) -> None:
    """What reduces never opens; when nothing is held nothing protects; a stop in reach beats its target."""
    bench = played(seed)
    reducing = {name for (name,) in bench.rows("SELECT client_order_id FROM orders WHERE reduce_only = 1")}
    for fill in bench.fills:
        if fill.client_order_id in reducing:
            before = fill.position - signed(fill)
            assert before * signed(fill) < 0
            assert before * fill.position >= 0
    state = final(bench)
    if not state.books.positions:
        assert [o for o in state.working.values() if o.reduce_only and o.resting] == []
    found: Any = bench.rows("SELECT parent, stop_price FROM orders WHERE reason = 'stop'")
    stops = dict(found)
    for fill in bench.fills:
        parent = fill.client_order_id.removesuffix("/target")
        candle = bench.market[fill.row - 1]
        if fill.reason == "target" and parent in stops and isinstance(candle, Candle):
            stop = D(str(stops[parent]))
            assert candle.low > stop if fill.side == "sell" else candle.high < stop
