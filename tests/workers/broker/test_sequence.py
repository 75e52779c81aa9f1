"""What comes before what, inside one candle: it decides who gets which price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from protocol.messages.market import Funding, MarketRecord
from protocol.messages.trading import (
    AtPrice,
    Bracket,
    FundingPaid,
    Quantity,
    WholePosition,
)
from tests.workers.broker.bench import (
    BTC,
    FREE,
    MINUTE,
    ONE,
    TEN_TIMES,
    Bench,
    D,
    bar,
    candle,
    order,
    traded,
)
from tests.workers.broker.pit import ARRIVED, Live
from workers.broker.errors import LedgerBroken
from workers.broker.funding import Due
from workers.broker.trailing import stop_at


def filled(bench: Bench) -> list[tuple[str | None, int, Decimal]]:
    """Return why, in which row and at what price each fill came."""
    return [(fill.reason, fill.row, fill.price) for fill in bench.fills]


# --- a candle: liquidation ----------------------------------------------------------------------


@pytest.mark.req("B2")
def test_a_gap_beyond_the_liquidation_fills_at_the_open_and_comes_before_all_else() -> None:
    """R12: long at 100, ten times: 90.45...; the open is below, and what would add to it is taken back."""
    more = order(2, size=ONE, leg=1)
    bench = traded(
        [candle(1, "100"), candle(2, "100"), bar(3, "80", "99", "80", "99")],
        order(1, size=ONE),
        more,
        terms=TEN_TIMES,
    )

    assert filled(bench) == [("signal", 2, D(100)), ("liquidation", 3, D(80))]
    assert bench.rows("SELECT status FROM orders WHERE client_order_id = 's-2-1'") == [("cancelled",)]


@pytest.mark.req("B2")
@pytest.mark.parametrize(
    ("side", "low", "high", "paid"), [("buy", "90", "100", "90"), ("sell", "100", "110", "109.5")]
)
def test_a_position_without_any_order_is_liquidated_inside_the_candle(
    side: Any, low: str, high: str, paid: str
) -> None:
    """The mark came back; that is too late. 90/0.995 is 90.45.., 110/1.005 is 109.45..: worse by the tick."""
    last = bar(3, "100", high, low, "100")
    bench = traded([candle(1, "100"), candle(2, "100"), last], order(1, side, ONE), terms=TEN_TIMES)

    assert filled(bench)[1:] == [("liquidation", 3, D(paid))]


@pytest.mark.req("B2")
def test_a_liquidation_comes_before_the_target_of_the_same_candle() -> None:
    """Nobody knows which came first: the worse one did."""
    entry = order(1, size=ONE, bracket=Bracket(target=AtPrice(D(110))))
    wide = bar(3, "100", "120", "80", "100")
    bench = traded([candle(1, "100"), candle(2, "100"), wide], entry, terms=TEN_TIMES)

    assert bench.fills[-1].reason == "liquidation"


@pytest.mark.req("B2")
def test_a_position_that_a_limit_opened_is_liquidated_in_the_same_candle() -> None:
    """Its stop is farther than its margin."""
    entry = order(1, size=ONE, kind="limit", limit=D(100))
    bench = traded([candle(1, "105"), bar(2, "105", "105", "80", "100")], entry, terms=TEN_TIMES)

    assert [fill.reason for fill in bench.fills] == ["signal", "liquidation"]


@pytest.mark.req("B2")
def test_the_level_of_liquidation_moves_with_the_position() -> None:
    """What was added higher brings it nearer: the average counts, not the first entry."""
    market = [candle(1, "100"), candle(2, "100"), candle(3, "120"), bar(4, "120", "120", "95", "120")]
    said = [order(1, size=ONE), order(2, size=Quantity(D(3)))]
    bench = traded(market, *said, terms=TEN_TIMES)

    assert bench.fills[-1].reason == "liquidation"
    assert bench.fills[-1].price > 100


# --- a candle: stops, limits, trails ------------------------------------------------------------


@pytest.mark.req("B3")
def test_of_two_stops_the_price_meets_the_nearer_one_first() -> None:
    """It closes all that is held, and the other has nothing left to close."""
    far = order(2, "sell", ONE, kind="stop", stop=D(90), reduce_only=True)
    near = order(2, "sell", ONE, leg=1, kind="stop", stop=D(95), reduce_only=True)
    market = [candle(1, "100"), candle(2, "100"), bar(3, "100", "100", "80", "80")]
    bench = traded(market, order(1, size=ONE), far, near)

    assert filled(bench)[1:] == [("signal", 3, D(95))]
    assert bench.fills[-1].client_order_id == "s-2-1"


@pytest.mark.req("B3")
@pytest.mark.parametrize(
    ("side", "stop", "high", "low"), [("sell", "105", "105", "100"), ("buy", "95", "100", "95")]
)
def test_a_stop_is_touched_by_an_equal_price(side: Any, stop: str, high: str, low: str) -> None:
    """On either side."""
    entry = order(1, side, ONE, bracket=Bracket(stop=AtPrice(D(stop))))
    bench = traded([candle(1, "100"), candle(2, "100"), bar(3, "100", high, low, "100")], entry)

    assert filled(bench)[1:] == [("stop", 3, D(stop))]


@pytest.mark.req("B3")
def test_on_the_entry_candle_a_trail_counts_the_close_and_not_the_high() -> None:
    """R6: the high may have come before the entry."""
    entry = order(1, size=ONE, bracket=Bracket(trail=AtPrice(D(5))))
    bench = traded([candle(1, "100"), bar(2, "100", "120", "99", "104")], entry)

    assert bench.rows("SELECT stop_price FROM orders WHERE parent IS NOT NULL") == [("99",)]


@pytest.mark.req("B3")
def test_a_trail_wider_than_the_price_stops_at_one_tick() -> None:
    """A stop below nothing would never be touched."""
    assert stop_at("sell", D(100), AtPrice(D(200)), D("0.5")) == D("0.5")
    assert stop_at("buy", D(100), AtPrice(D(200)), D("0.5")) == D(300)


@pytest.mark.req("B3")
def test_a_trail_beside_a_nearer_stop_never_loosens_it() -> None:
    """R7: the stop stays where it was put until the trail has overtaken it."""
    entry = order(1, size=ONE, bracket=Bracket(stop=AtPrice(D(99)), trail=AtPrice(D(5))))
    market = [candle(1, "100"), candle(2, "100"), bar(3, "100", "103", "100", "103")]
    stop = "SELECT stop_price FROM orders WHERE parent IS NOT NULL"
    assert traded(market, entry).rows(stop) == [("99",)]

    bench = traded([*market, bar(4, "103", "110", "103", "110")], entry)
    assert bench.rows(stop) == [("105",)]


@pytest.mark.req("B2")
def test_a_limit_that_slippage_would_take_beyond_its_price_rests() -> None:
    """R4: a taker up to the limit, never beyond it."""
    buy = order(1, size=ONE, kind="limit", limit=D(100))
    bench = traded([candle(1, "101"), candle(2, "100")], buy, terms=replace(FREE, slippage_bps=D(10)))

    assert bench.fills == []
    assert bench.rows("SELECT status FROM orders") == [("accepted",)]


@pytest.mark.req("B2")
@pytest.mark.parametrize(("limit", "fills"), [("110", 0), ("109.5", 1)])
def test_a_limit_that_sells_is_filled_strictly_through_too(limit: str, fills: int) -> None:
    """R3, candle mode."""
    sell = order(1, "sell", ONE, kind="limit", limit=D(limit))
    bench = traded([candle(1, "100"), bar(2, "100", "110", "100", "100")], sell)

    assert len(bench.fills) == fills


# --- a candle: funding, time, books -------------------------------------------------------------


@pytest.mark.req("B2")
def test_funding_inside_a_candle_is_booked_at_its_close_and_mark() -> None:
    """On what is held then; not only when another candle comes."""
    market = [candle(1, "100"), candle(2, "100", "110")]
    due = MINUTE + 30_000
    bench = traded(market, order(1, size=ONE), funding=[Due(due, D("0.01"))])

    assert [(paid.at_ms, paid.mark) for paid in bench.outputs if isinstance(paid, FundingPaid)] == [
        (due, D(110))
    ]


@pytest.mark.req("B2")
def test_funding_in_a_hole_of_the_data_is_booked_before_the_next_candle_trades() -> None:
    """R11: on the quantity held then, which is that of before the hole."""
    market = [candle(1, "100"), candle(2, "100"), candle(9, "100")]
    out = order(2, "sell", WholePosition(), reduce_only=True)
    bench = traded(market, order(1, size=ONE), out, funding=[Due(5 * MINUTE, D("0.01"))])

    assert [paid.quantity for paid in bench.outputs if isinstance(paid, FundingPaid)] == [D(1)]
    assert len(bench.fills) == 2


@pytest.mark.req("B2")
def test_a_funding_that_pended_is_settled_once() -> None:
    """R11: unique by (symbol, time), however often the feed tells it."""
    market: list[MarketRecord] = [candle(row, "100") for row in (1, 2, 3)]
    told = Funding(symbol=BTC, at_ms=2 * MINUTE, rate=D("0.01"))
    bench = traded([*market, told, told], order(1, size=ONE), funding=[Due(2 * MINUTE, None)])

    assert bench.rows("SELECT amount FROM ledger WHERE kind = 'funding'") == [("-1",)]


@pytest.mark.req("B4")
def test_the_log_of_a_fill_tells_the_equity_at_its_open() -> None:
    """Not at the close of the candle before."""
    bench = traded(
        [candle(1, "100"), candle(2, "100"), candle(3, "150")], order(1, size=ONE), order(2, size=ONE)
    )
    told = [
        line.facts["equity"] for step in bench.steps for line in step.logs if line.message == "order filled"
    ]

    assert told == ["10000", "10050"]


@pytest.mark.req("B4")
def test_books_that_do_not_balance_are_found_after_the_next_fill() -> None:
    """In a candle: by the last digit."""
    bench = traded([candle(1, "100")], order(1, size=ONE))
    state = bench.core._state
    state.books = replace(state.books, cash=state.books.cash + D("1e-12"))
    bench.market = [*bench.market, candle(2, "100")]
    bench.deliver("feed", 1)

    with pytest.raises(LedgerBroken):
        bench.core.step()


@pytest.mark.req("B4")
def test_books_that_do_not_balance_end_the_process_from_a_tick_too() -> None:
    """The guard lets this one through: on broken books nothing is traded any more."""
    live = Live().quote("100", "100.1", now=0)
    live.order(name="in")
    state = live.core._state
    state.books = replace(state.books, cash=state.books.cash + D("1e-12"))

    with pytest.raises(LedgerBroken):
        live.quote("100", "100.1", now=ARRIVED)
