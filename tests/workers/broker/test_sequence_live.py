"""What comes before what, on one quote, and when time alone is enough: it decides who gets which price."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocol.messages.trading import (
    AtPrice,
    Bracket,
    Cancel,
    Quantity,
    WholePosition,
)
from tests.workers.broker.bench import BTC, FREE, ONE, TEN_TIMES, TIERED, D, candle
from tests.workers.broker.pit import ARRIVED, LONG, T0, Live, held
from workers.broker.latency import latency_ms

# --- a candle that stands in for ticks ----------------------------------------------------------


@pytest.mark.req("B2")
def test_a_candle_that_stands_in_for_ticks_enters_nothing() -> None:
    """R8: an order at the market waits for a quote, whatever the backfill says."""
    live = Live().quote("100", "100.1", now=0)
    live.order(name="in", size=ONE)
    live.at(9_000)
    late = replace(candle(1, "100"), open_ms=T0 + 500, close_ms=T0 + 600, backfilled=True)
    live.bench.market = [late]
    live.bench.deliver("feed", 1)
    live.at(9_000)

    assert live.filled == []
    assert live.statuses() == {"in": "accepted"}


@pytest.mark.req("B3")
@pytest.mark.parametrize(
    ("now", "backfilled", "replayed"),
    [(120_500, False, False), (126_000, False, True), (120_500, True, True)],
    ids=["in time", "late", "backfilled"],
)
def test_a_fill_by_a_candle_is_replayed_where_that_came_late(
    now: int, backfilled: bool, replayed: bool
) -> None:
    """R8: of the past is what the feed fetched, and what comes more than five seconds after its close."""
    live = held(LONG).at(now)
    live.candle(1, "100", "101", "94", "100", backfilled=backfilled)

    assert [fill.replayed for fill in live.bench.fills[1:]] == [replayed]


@pytest.mark.req("B3")
def test_a_backfilled_candle_counts_even_where_quotes_came() -> None:
    """The feed has fetched it because it does not trust what it has told of that minute."""
    live = held(LONG)
    for second in range(1, 121):
        live.quote("100", "100.1", now=second * 1_000)
    live.candle(1, "100", "101", "94", "100", backfilled=True)

    assert live.filled[1:] == [("in/stop", D(95), D(1))]


def test_a_candle_of_the_past_does_not_turn_time_back() -> None:
    """Nothing is held and nothing waits: it is a mark, and no more."""
    live = Live().quote("100", "100.1", now=0).at(90_000)
    live.candle(-2, "100", "101", "99", "100", backfilled=True)

    assert live.core._state.at_ms == T0 + 90_000


# --- a quote ------------------------------------------------------------------------------------


def crossing(first: str, second: str) -> Live:
    """Give a market in which two sells wait for the bid to fall to 98.5: each named by what it is."""
    live = Live().quote("100", "100.1", now=0)
    live.order(name="hold", size=Quantity(D(2)))
    live.quote("100", "100.1", now=ARRIVED)
    kinds: dict[str, dict[str, Any]] = {
        "stop": {"kind": "stop", "stop": D(99), "reduce_only": True},
        "target": {"kind": "limit", "limit": D("98.5"), "reduce_only": True},
        "short": {"kind": "stop", "stop": D(99)},
    }
    for name in (first, second):
        live.order("sell", ONE, name=name, **kinds[name])
    return live


@pytest.mark.req("B3")
@pytest.mark.parametrize(("first", "second"), [("short", "stop"), ("stop", "short")])
def test_on_one_quote_what_leaves_the_market_goes_before_what_enters_it(first: str, second: str) -> None:
    """Whichever was placed first: the stop has the touch, the entry pays for what is beyond."""
    live = crossing(first, second).quote("98.5", "98.6", "1", now=2 * ARRIVED)

    assert live.filled[1:] == [("stop", D("98.5"), D(1)), ("short", D("98.4"), D(1))]


@pytest.mark.req("B3")
def test_on_one_quote_a_stop_goes_before_a_target() -> None:
    """Of two positions in one: the stop of the later entry takes the bid, the target of the first waits."""
    live = Live().quote("90", "90.1", now=0)
    live.order(name="low", size=ONE, bracket=Bracket(target=AtPrice(D(98))))
    live.quote("90", "90.1", now=ARRIVED)
    live.order("sell", ONE, name="exit", kind="stop", stop=D(89), reduce_only=True)
    live.order(name="more", size=ONE)
    live.quote("90", "90.1", now=2 * ARRIVED)
    live.order("sell", ONE, name="by mark", kind="stop", stop=D(99), trigger="mark", reduce_only=True)
    live.quote("90", "90.1", now=3 * ARRIVED)
    raised = replace(live.core._state.working["exit"], stop=D("98.5"))
    live.core._state.working["exit"] = raised
    live.quote("98.2", "98.3", "1", now=4 * ARRIVED)

    assert live.filled[2:] == [("exit", D("98.2"), D(1))]


@pytest.mark.req("B2")
def test_the_bid_too_is_consumed_once() -> None:
    """R9: two that sell share its size."""
    live = Live().quote("100", "100.1", now=0)
    live.order("sell", Quantity(D(2)), name="a")
    live.order("sell", Quantity(D(2)), name="b")
    live.quote("100", "100.1", "2", now=ARRIVED)

    assert live.filled == [("a", D(100), D(2)), ("b", D("99.9"), D(2))]


@pytest.mark.req("B2")
def test_each_order_begins_where_the_one_before_has_ended_down_to_the_protection() -> None:
    """R2 and R9: eleven levels are within a per cent; what is beyond them is there for nobody."""
    live = Live().quote("100", "100.1", now=0)
    for name, wanted in (("a", 2), ("b", 2), ("c", 4), ("d", 8)):
        live.order(name=name, size=Quantity(D(wanted)))
    live.quote("100", "100.1", "1", now=ARRIVED)

    assert live.filled == [
        ("a", D("100.2"), D(2)),  # levels 0 and 1: half a tick, rounded against the trader
        ("b", D("100.4"), D(2)),  # 2 and 3
        ("c", D("100.7"), D(4)),  # 4 to 7
        ("d", D("101"), D(3)),  # 8 to 10
    ]
    assert live.statuses()["d"] == "cancelled"


@pytest.mark.req("B2")
@pytest.mark.parametrize(("limit", "paid"), [("100.1", []), ("100.3", ["100.3"])])
def test_a_marketable_limit_pays_no_more_than_its_price_after_slippage(limit: str, paid: list[str]) -> None:
    """R4: 100.1 and ten basis points are 100.3 on the tick."""
    live = Live(terms=replace(FREE, slippage_bps=D(10))).quote("100", "100.1", now=0)
    live.order(name="in", size=ONE, kind="limit", limit=D(limit))
    live.quote("100", "100.1", now=ARRIVED)

    assert [price for _, price, _ in live.filled] == [D(price) for price in paid]


@pytest.mark.req("B3")
def test_a_trail_that_does_not_move_writes_nothing() -> None:
    """A quote that is no better than the best costs no transaction."""
    live = held(Bracket(trail=AtPrice(D(5)))).quote("101", "101.1", now=500)
    steps = len(live.bench.steps)
    live.quote("100", "100.1", now=501)

    assert len(live.bench.steps) == steps
    assert live.core._state.working["in/stop"].best == D(101)


@pytest.mark.req("B3")
def test_a_hole_within_a_minute_makes_its_candle_count() -> None:
    """Quotes before it and after it: what the price did meanwhile only the candle knows."""
    live = held(LONG).quote("100", "100.1", now=60_000)
    for second in range(100, 121):
        live.quote("100", "100.1", now=second * 1_000)
    live.candle(1, "100", "101", "94", "100")

    assert live.filled[1:] == [("in/stop", D(95), D(1))]


@pytest.mark.req("B2")
def test_what_a_resting_limit_got_of_a_quote_is_gone_from_it() -> None:
    """R9: a second limit gets what is left, and the rest of it waits."""
    live = Live().quote("100", "100.1", now=0)
    for name in ("a", "b"):
        live.order(name=name, size=Quantity(D(2)), kind="limit", limit=D(99))
    live.quote("100", "100.1", now=ARRIVED).quote("98.9", "99", "3", now=2 * ARRIVED)

    assert live.filled == [("a", D(99), D(2)), ("b", D(99), D(1))]


@pytest.mark.req("B2")
def test_a_trade_that_came_too_late_fills_nothing() -> None:
    """R0: what was received five seconds ago is no evidence of now."""
    live = Live().quote("100", "100.1", now=0)
    live.order(name="in", size=ONE, kind="limit", limit=D(99))
    live.quote("100", "100.1", now=ARRIVED).at(10_000)
    live.trade("90", "5", "sell", now=4_999)
    assert live.filled == []

    live.at(10_000).trade("90", "5", "sell", now=5_000)
    assert live.filled == [("in", D(99), D(1))]


@pytest.mark.req("B2")
def test_a_stop_by_the_mark_waits_for_a_fresh_quote() -> None:
    """R0: the mark says when, only a quote says at what price."""
    live = Live().quote("100", "100.1", now=0)
    live.order(name="in", size=ONE)
    live.quote("100", "100.1", now=ARRIVED)
    live.order("sell", ONE, name="out", kind="stop", stop=D(95), trigger="mark", reduce_only=True)
    live.at(6_000).mark("94", now=6_001)
    assert len(live.filled) == 1

    live.quote("97", "97.1", now=6_100)
    assert live.filled[1:] == [("out", D(97), D(1))]
    assert live.bench.fills[-1].late


@pytest.mark.req("B2")
def test_while_the_mark_is_known_a_quote_liquidates_nobody() -> None:
    """R12: tested on the mark; by the quote only where there is none that is fresh."""
    live = Live(terms=TEN_TIMES, instrument=TIERED).quote("100", "100.1", now=0)
    live.order(name="in", size=ONE)
    live.quote("100", "100.1", now=ARRIVED).mark("100", now=500).quote("80", "80.1", now=600)
    assert len(live.filled) == 1
    assert live.core._state.marks[BTC] == D(100)

    live.quote("80", "80.1", now=5_600)
    assert live.bench.fills[-1].reason == "liquidation"


@pytest.mark.req("B4")
@pytest.mark.parametrize(("side", "mark"), [("buy", "99"), ("sell", "99.1")])
def test_what_is_held_is_marked_at_the_price_that_it_could_be_closed_at(side: Any, mark: str) -> None:
    """Longs at the bid, shorts at the ask; with nothing held in the middle."""
    live = Live().quote("100", "100.1", now=0)
    assert live.core._state.marks[BTC] == D("100.05")
    live.order(side, ONE, name="in")
    live.quote("100", "100.1", now=ARRIVED).quote("99", "99.1", now=2 * ARRIVED)

    assert live.core._state.marks[BTC] == D(mark)


@pytest.mark.req("B2")
def test_an_exit_that_takes_longer_than_a_quote_lives_is_late_at_its_end() -> None:
    """Though quotes came all the time: there was too little in each of them."""
    live = Live().quote("100", "100.1", now=0)
    live.order(name="in", size=Quantity(D(8)))
    live.quote("100", "100.1", now=ARRIVED)
    live.order("sell", WholePosition(), name="out", reduce_only=True)
    for nth in range(1, 9):
        live.quote("100", "100.1", "0.1", now=ARRIVED + nth * 1_000)
    told = {fill.at_ms - T0: fill.late for fill in live.bench.fills[1:]}

    assert [late for _, late in sorted(told.items())] == [False] * 5 + [True] * 3


# --- when it must be looked at ------------------------------------------------------------------


@pytest.mark.req("B2")
def test_the_core_asks_for_time_when_something_ends_without_a_price() -> None:
    """A waiting entry after ten seconds, an expiry, a cancel on its way, a funding: the first of them."""
    live = Live().quote("100", "100.1", now=0)
    asked = [live.core.deadline]
    live.mark("100", now=1, next_funding=60_000)
    asked.append(live.core.deadline)
    live.order(name="rests", kind="limit", limit=D(50), expires_ms=T0 + 50_000)
    asked.append(live.core.deadline)
    live.order(name="waits")
    asked.append(live.core.deadline)
    live.send(Cancel(client_order_id="c", strategy="s", row=0, leg=0, target="rests", decided_ms=T0))
    asked.append(live.core.deadline)

    cancelled = 1 + latency_ms("c")
    gives_up = 1 + latency_ms("waits") + 10_000
    assert asked == [None, 60, 50, pytest.approx(gives_up / 1000), pytest.approx(cancelled / 1000)]
    assert live.at(cancelled - 1).statuses()["rests"] == "pending_cancel"
    assert live.at(cancelled).statuses()["rests"] == "cancelled"
