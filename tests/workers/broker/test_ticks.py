"""Tick mode: R0 to R9 by hand. An order sent at 0 has reached the market after 350 ms at the latest."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocol.messages.market import Instrument, MarginTier
from protocol.messages.trading import AtPrice, Away, Bracket, Cancel, Quantity, WholePosition
from tests.workers.broker.bench import ONE, D, order
from tests.workers.broker.pit import ARRIVED, LONG, T0, Live, fresh, held
from workers.broker.latency import latency_ms
from workers.broker.matching import Terms

TIERS = (MarginTier(D(1000), D(20), D("0.005")), MarginTier(D(10**6), D(5), D("0.01")))
TIERED = Instrument(tick=D("0.1"), step=D("0.1"), contract="linear", tiers=TIERS)


@pytest.mark.req("B2")
def test_latency_is_150_to_349_ms_and_the_same_when_played_again() -> None:
    """R1."""
    found = [latency_ms(str(n)) for n in range(2000)]

    assert (min(found), max(found)) == (150, 349)
    assert found == [latency_ms(str(n)) for n in range(2000)]


@pytest.mark.req("B2")
def test_only_a_quote_received_after_the_order_arrived_fills_it() -> None:
    """R0: not the one it was decided on, nor one on the way."""
    live = fresh()
    live.order(name="in")
    live.quote("100", "100.1", now=latency_ms("in") - 1)
    assert live.filled == []

    live.quote("101", "101.1", now=latency_ms("in"))
    assert live.filled == [("in", D("101.1"), D(1))]


@pytest.mark.req("B2")
def test_a_market_order_walks_the_sizes_it_cannot_see() -> None:
    """R2: 5 at the touch of 2: two there, two a tick worse, one two ticks worse, rounded up."""
    live = fresh()
    live.order(name="in", size=Quantity(D(5)))
    live.quote("100", "100.1", "2", now=ARRIVED)

    assert live.filled == [("in", D("100.2"), D(5))]  # 100.18 on average


@pytest.mark.req("B2")
def test_beyond_the_protection_the_rest_of_an_entry_is_cancelled() -> None:
    """R2: 1 % of 100 is ten ticks, eleven levels of 0.1."""
    live = fresh()
    live.order(name="in", size=Quantity(D(50)))
    live.quote("100", "100.1", "0.1", now=ARRIVED)

    assert [fill[2] for fill in live.filled] == [D("1.1")]
    assert live.bench.rows("SELECT status, code FROM orders") == [("cancelled", "price_protection")]


@pytest.mark.req("B3")
def test_an_exit_is_never_left_undone_by_the_protection() -> None:
    """What protects goes on with the next quote."""
    live = held(LONG)
    live.quote("94", "94.1", "0.1", now=1000)
    live.quote("94", "94.1", "0.1", now=1001)
    live.quote("93", "93.1", "100", now=1002)

    assert live.bench.fills[-1].position == 0
    assert sum(fill[2] for fill in live.filled[1:]) == 1


@pytest.mark.req("B2")
def test_liquidity_is_consumed_once_for_each_quote() -> None:
    """R9: the second order begins where the first ended."""
    live = fresh()
    live.order(name="a", size=Quantity(D(2)))
    live.order(name="b", size=Quantity(D(2)))
    live.quote("100", "100.1", "2", now=ARRIVED)

    assert live.filled == [("a", D("100.1"), D(2)), ("b", D("100.2"), D(2))]


@pytest.mark.req("B2")
def test_a_stale_quote_fills_nothing_and_the_entry_expires() -> None:
    """R0: older than five seconds when it came; after ten seconds the entry gives up."""
    live = fresh()
    live.order(name="in")
    live.quote("100", "100.1", now=5_600, age=5_001)
    assert live.filled == []

    live.at(10_000 + latency_ms("in"))
    assert live.bench.rows("SELECT status, code FROM orders") == [("expired", "no_fresh_quote")]


@pytest.mark.req("B3")
def test_a_protective_order_waits_for_the_first_fresh_quote_and_is_late() -> None:
    """R0: it is never given up."""
    live = held(LONG)
    live.quote("90", "90.1", now=60_000)

    assert live.filled[1:] == [("in/stop", D(90), D(1))]
    assert live.bench.fills[1].late


@pytest.mark.req("B2")
def test_a_quote_from_the_future_is_young() -> None:
    """The venue's clock may be ahead of ours: an age is never taken as positive."""
    live = fresh()
    live.order(name="in")
    live.quote("100", "100.1", now=ARRIVED, age=-900)

    assert len(live.filled) == 1


# --- limits -------------------------------------------------------------------------------------


def resting(**how: Any) -> Live:
    """Give a market in which a buy of one rests at its bid of 100, behind 10."""
    live = Live().quote("100", "100.1", "10", now=0)
    live.order(name="in", kind="limit", limit=D(100), **how)
    return live.quote("100", "100.1", "10", now=ARRIVED)


@pytest.mark.req("B2")
def test_a_limit_at_the_touch_waits_for_its_turn_in_the_queue() -> None:
    """R3: only after more than was displayed ahead; the rest of that trade is its."""
    live = resting().trade("100", "9", "sell", now=500).trade("100", "5", "buy", now=501)
    live.quote("100", "100.1", "3", now=502)
    assert live.filled == []

    live.trade("100", "1.4", "sell", now=503)
    assert live.filled == [("in", D(100), D("0.4"))]
    assert live.bench.fills[0].liquidity == "maker"


@pytest.mark.req("B2")
def test_a_trade_strictly_through_a_limit_fills_it_up_to_its_amount() -> None:
    """R3, at the limit's price."""
    live = resting().trade("99.9", "0.3", "sell", now=500)

    assert live.filled == [("in", D(100), D("0.3"))]


@pytest.mark.req("B2")
def test_one_trade_is_given_to_two_limits_only_once() -> None:
    """R9."""
    live = resting()
    live.order(name="b", kind="limit", limit=D(100))
    live.quote("100", "100.1", "10", now=1000).trade("99.9", "1.5", "sell", now=1001)

    assert live.filled == [("in", D(100), D(1)), ("b", D(100), D("0.5"))]


@pytest.mark.req("B2")
def test_the_opposite_quote_that_comes_to_a_limit_fills_it_up_to_its_size() -> None:
    """R3: as maker at its price, though the quote is better."""
    live = resting().quote("99", "99.5", "0.6", now=500)

    assert live.filled == [("in", D(100), D("0.6"))]


@pytest.mark.req("B2")
def test_a_marketable_limit_takes_up_to_its_price_and_rests_with_the_remainder() -> None:
    """R4: of levels of 0.2 it may take 100.1 and 100.2; IOC cancels what is left."""
    for force, status in (("gtc", "partially_filled"), ("ioc", "cancelled")):
        live = fresh()
        live.order(name="in", kind="limit", limit=D("100.2"), time_in_force=force)
        live.quote("100", "100.1", "0.2", now=ARRIVED)
        assert live.filled == [("in", D("100.2"), D("0.4"))]
        assert live.statuses() == {"in": status}


@pytest.mark.req("B2")
def test_post_only_that_would_cross_is_rejected() -> None:
    """R4."""
    live = fresh()
    live.order(name="in", kind="limit", limit=D("100.1"), post_only=True)
    live.quote("100", "100.1", now=ARRIVED)

    assert live.bench.rows("SELECT status, code FROM orders") == [("rejected", "would_cross")]


# --- stops and trailing -------------------------------------------------------------------------


@pytest.mark.req("B3")
def test_a_stop_acts_on_the_tick_that_touches_it() -> None:
    """R5: a long's by the bid; nothing is waited for."""
    live = held(LONG)
    live.quote("95.1", "95.2", now=1000).trade("90", "1", "sell", now=1001)
    assert len(live.filled) == 1

    live.quote("95", "95.1", now=1002)
    assert live.filled[1:] == [("in/stop", D(95), D(1))]
    assert live.statuses() == {"in": "filled", "in/stop": "filled", "in/target": "cancelled"}


@pytest.mark.req("B3")
def test_a_target_is_a_limit_that_waits_for_evidence() -> None:
    """The bid comes to it."""
    live = held(LONG).quote("110", "110.1", now=1000)

    assert live.filled[1:] == [("in/target", D(110), D(1))]
    assert live.statuses()["in/stop"] == "cancelled"


@pytest.mark.req("B3")
def test_a_stop_by_the_mark_ignores_the_quote() -> None:
    """And is filled at the quote once the mark touches it."""
    live = held()
    live.order("sell", WholePosition(), name="out", kind="stop", stop=D(95), trigger="mark", reduce_only=True)
    live.mark("100", now=900).quote("94", "94.1", now=1000)
    assert len(live.filled) == 1

    live.mark("95", now=1001)
    assert live.filled[1:] == [("out", D(94), D(1))]


@pytest.mark.req("B3")
def test_trailing_tests_the_old_stop_then_moves_and_every_move_is_on_disk() -> None:
    """R7, over a kill."""
    live = held(Bracket(trail=AtPrice(D(2))))
    live.quote("104", "104.1", now=1000).revive()
    assert live.bench.rows("SELECT stop_price FROM orders WHERE parent IS NOT NULL") == [("102",)]

    live.quote("103", "103.1", now=1001).quote("102", "102.1", now=1002)
    assert live.filled[1:] == [("in/stop", D(102), D(1))]


@pytest.mark.req("B2")
def test_a_cancel_takes_its_time_and_the_order_may_fill_until_then() -> None:
    """R1 for cancels."""
    live = resting()
    row = live.core._state.handled
    live.send(Cancel(client_order_id="c", strategy="s", row=row, leg=0, target="in", decided_ms=T0 + ARRIVED))
    assert live.statuses() == {"in": "pending_cancel"}

    live.trade("99", "0.5", "sell", now=ARRIVED + latency_ms("c") - 1).at(ARRIVED + latency_ms("c"))
    live.trade("99", "0.5", "sell", now=900)
    assert live.filled == [("in", D(100), D("0.5"))]
    assert live.statuses() == {"in": "cancelled"}


@pytest.mark.req("B1")
def test_an_order_that_is_too_old_is_refused_as_stale() -> None:
    """A quarter of the timeframe, unless the configuration says otherwise."""
    live = fresh().at(15_001)
    live.send(replace(order(0, name="old", size=ONE), decided_ms=T0))

    assert live.bench.denials == ["stale"]


@pytest.mark.req("B2")
def test_an_entry_delay_records_the_price_that_held_then() -> None:
    """Beside the price at the decision; exits never wait."""
    live = fresh(terms=Terms(taker=D(0), slippage_bps=D(0), entry_delay_ms=2000))
    live.order(name="in", decided_price=D(100))
    live.quote("105", "105.1", now=ARRIVED).quote("103", "103.1", now=2400)

    assert live.filled == [("in", D("103.1"), D(1))]
    assert live.bench.rows("SELECT decided_price, price FROM delayed_entries") == [("100", "103.1")]


@pytest.mark.req("B3")
def test_an_entry_filled_at_several_prices_is_protected_by_its_average() -> None:
    """Found by chance: an average without end cannot be multiplied exactly, and the guard failed on it."""
    live = fresh()
    bracket = Bracket(stop=Away(D("0.05")))
    live.order(name="in", kind="limit", limit=D("100.5"), size=Quantity(D(7)), bracket=bracket)
    live.quote("100", "100.1", "1", now=ARRIVED).quote("99.9", "100", "2", now=500)

    assert [fill[1:] for fill in live.filled] == [(D("100.3"), D(5)), (D("100.5"), D(2))]
    assert live.core.condition().errors == 0
    assert live.bench.rows("SELECT quantity, stop_price FROM orders WHERE parent IS NOT NULL") == [
        ("7", "95.3")
    ]


@pytest.mark.req("B2")
def test_a_replacement_takes_the_place_when_the_cancel_arrives_also_over_a_kill() -> None:
    """R1: until then the old order stands."""
    live = resting()
    row = live.core._state.handled
    moved = replace(order(row, size=ONE, name="moved", kind="limit", limit=D(99)), decided_ms=T0 + ARRIVED)
    live.send(
        Cancel(
            client_order_id="c",
            strategy="s",
            row=row,
            leg=0,
            target="in",
            decided_ms=T0 + ARRIVED,
            replacement=moved,
        )
    )
    live.revive().at(ARRIVED + latency_ms("c") - 1)
    assert live.statuses() == {"in": "pending_cancel"}

    live.at(ARRIVED + latency_ms("c"))
    assert live.statuses() == {"in": "cancelled", "moved": "accepted"}
