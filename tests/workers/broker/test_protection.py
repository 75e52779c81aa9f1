"""What protects an entry that fills in parts or nets with what was held, and what a round trip made."""

from __future__ import annotations

import pytest

from protocol.messages.trading import AtPrice, Bracket, Quantity, Through, TradeClosed, WholePosition
from tests.workers.broker.bench import FREE, MINUTE, ONE, Bench, D, candle, order
from tests.workers.broker.pit import ARRIVED, Live
from workers.broker.funding import Due

SIZES = "SELECT client_order_id, quantity, filled FROM orders WHERE parent = 'in' ORDER BY 1"


@pytest.mark.req("B3")
def test_an_entry_that_first_closes_a_short_is_protected_for_what_it_opened() -> None:
    """Two bought against one that was sold short: one is held, and one is protected."""
    live = Live().quote("100", "100.1", now=0)
    live.order("sell", ONE, name="short")
    live.quote("100", "100.1", now=ARRIVED)
    live.order(size=Quantity(D(2)), name="in", bracket=Bracket(stop=AtPrice(D(90))))
    live.quote("100", "100.1", now=2 * ARRIVED)

    assert live.bench.rows(SIZES) == [("in/stop", "1", "0")]


@pytest.mark.req("B3")
def test_a_trail_that_was_raised_stays_when_the_entry_fills_further() -> None:
    """R7: the second part was bought lower; the stop does not go back to where it began."""
    live = Live().quote("100", "100.1", "1", now=0)
    entry = {"kind": "limit", "limit": D("100.1"), "bracket": Bracket(trail=AtPrice(D(5)))}
    live.order(size=Quantity(D(2)), name="in", **entry)
    live.quote("100", "100.1", "1", now=ARRIVED).quote("103", "103.1", "1", now=500)
    live.quote("100", "100.1", "1", now=600)

    assert live.bench.rows("SELECT stop_price, quantity FROM orders WHERE parent = 'in'") == [("98", "2")]


@pytest.mark.req("B3")
def test_a_target_that_has_filled_in_part_grows_by_what_the_entry_adds() -> None:
    """Half of the first was sold already: with the second, one and a half are held and offered."""
    live = Live().quote("100", "100.1", "1", now=0)
    bracket = Bracket(target=AtPrice(D(110)))
    live.order(size=Quantity(D(2)), name="in", kind="limit", limit=D("100.1"), bracket=bracket)
    live.quote("100", "100.1", "1", now=ARRIVED).quote("110", "110.1", "0.5", now=500)
    live.quote("100", "100.1", "1", now=600)

    assert live.bench.fills[-1].position == D("1.5")
    assert live.bench.rows(SIZES) == [("in/target", "2", "0.5")]


@pytest.mark.req("B4")
def test_a_round_trip_counts_its_funding() -> None:
    """One held at 100 over a funding of 1 %: it cost one."""
    market = [candle(row, "100") for row in (1, 2, 3, 4)]
    out = order(3, "sell", WholePosition(), reduce_only=True)
    bench = Bench(
        market,
        {"s": [order(1, size=ONE), out, Through(4)]},
        contract="linear",
        terms=FREE,
        funding=[Due(2 * MINUTE, D("0.01"))],
    ).run()
    (trade,) = [fact for fact in bench.outputs if isinstance(fact, TradeClosed)]

    assert (trade.funding, trade.realised) == (D(-1), D(-1))
