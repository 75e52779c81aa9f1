"""Tick mode beside the orders: missed ticks, marks, funding, liquidation, an unfit market."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocol.messages.market import Funding, Instrument, MarginTier
from protocol.messages.trading import Away, Bracket, Quantity, TradingChanged, WholePosition
from tests.workers.broker.bench import BTC, FREE, D
from tests.workers.broker.pit import ARRIVED, LONG, T0, Live, fresh, held
from workers.broker.matching import Terms

TIERS = (MarginTier(D(1000), D(20), D("0.005")), MarginTier(D(10**6), D(5), D("0.01")))
TIERED = Instrument(tick=D("0.1"), step=D("0.1"), contract="linear", tiers=TIERS)


# --- missed ticks and the offline gap -----------------------------------------------------------


@pytest.mark.req("B3")
def test_a_stop_that_ticks_missed_is_handled_from_the_candle() -> None:
    """No quotes came during a minute: its low counts, the stop before the target."""
    live = held(LONG).at(120_500)
    live.candle(1, "100", "120", "94", "100")

    assert live.filled[1:] == [("in/stop", D(95), D(1))]


@pytest.mark.req("B5")
def test_after_an_offline_gap_the_stop_is_handled_from_backfilled_candles() -> None:
    """R8: flagged replayed, at the candle's time; nothing new is entered on them."""
    live = held(LONG)
    live.revive().at(600_000)
    live.candle(1, "100", "101", "99", "100", backfilled=True)
    live.candle(2, "92", "93", "91", "92", backfilled=True)
    (stop,) = live.bench.fills[1:]

    assert (stop.price, stop.replayed, stop.at_ms) == (D(92), True, T0 + 120_000)


def test_a_candle_whose_time_was_watched_has_nothing_to_say() -> None:
    """Trades that quotes did not follow are no evidence for a stop."""
    live = held(LONG)
    for second in range(1, 120):
        live.quote("100", "100.1", now=second * 1000)
    live.candle(1, "100", "120", "90", "100")

    assert len(live.filled) == 1


# --- marks, funding, liquidation ----------------------------------------------------------------


@pytest.mark.req("B2")
def test_an_isolated_position_is_liquidated_by_the_mark() -> None:
    """R12: leverage 10, entry 100.1: (100.1 - 10.01) / (1 - 0.005) is 90.54..."""
    live = Live(terms=replace(FREE, leverage=D(10)), instrument=TIERED).quote("100", "100.1", now=0)
    live.order(name="in", bracket=Bracket(stop=Away(D("0.5"))))
    live.quote("100", "100.1", now=ARRIVED).mark("90.6", now=500)
    assert len(live.filled) == 1

    live.quote("90.4", "90.5", now=501).mark("90.5", now=502)
    assert live.bench.fills[-1].reason == "liquidation"
    assert live.bench.fills[-1].price == D("90.4")
    assert live.statuses()["in/stop"] == "cancelled"


@pytest.mark.req("B2")
def test_leverage_without_known_tiers_is_denied_in_a_live_market() -> None:
    """R12."""
    live = fresh(terms=Terms(leverage=D(3)))
    live.order(name="in")

    assert live.bench.denials == ["unknown_tiers"]


@pytest.mark.req("B2")
def test_leverage_beyond_the_tier_of_the_notional_is_denied() -> None:
    """Up to 1,000 the venue allows 20, above that 5."""
    live = fresh(terms=Terms(leverage=D(10)), instrument=TIERED)
    live.order(name="small", size=Quantity(D(9)))
    live.order(name="large", size=Quantity(D(11)))

    assert live.statuses() == {"small": "accepted", "large": "denied"}
    assert live.bench.denials == ["leverage"]


@pytest.mark.req("B2")
def test_a_funding_time_without_its_rate_is_pending_and_settled_later() -> None:
    """R11: on the quantity and the mark of that time, whatever is held when the rate comes."""
    live = held().mark("200", now=1000, next_funding=2000).at(2000)
    assert live.bench.rows("SELECT rate, mark, quantity, amount FROM funding") == [(None, "200", "1", None)]

    live.bench.market = [*live.bench.market, Funding(symbol=BTC, at_ms=T0 + 2005, rate=D("0.01"))]
    live.bench.deliver("feed", 1)
    live.at(3000)
    assert live.bench.rows("SELECT rate, amount FROM funding") == [("0.01", "-2")]
    assert live.bench.rows("SELECT amount FROM ledger WHERE kind = 'funding'") == [("-2",)]


# --- the market's own state, and the guard --------------------------------------------------------


@pytest.mark.req("B6")
@pytest.mark.parametrize(
    "wrong",
    [{"connected": False}, {"gap": True}, {"stale": True}, {"open": False}, {"skew_ms": -501}],
    ids=str,
)
def test_an_unfit_market_takes_no_entries_while_it_lasts(wrong: dict[str, Any]) -> None:
    """Exits are allowed; what changes is told."""
    live = held()
    live.state(500, **wrong)
    live.order(name="more")
    live.order("sell", WholePosition(), name="out", reduce_only=True)
    assert live.bench.denials == ["market_unfit"]

    live.quote("100", "100.1", now=1000)
    assert live.bench.fills[-1].client_order_id == "out"

    live.state(1100)
    live.order(name="again")
    assert live.statuses()["again"] == "accepted"
    told = [(o.state, o.trigger) for o in live.bench.outputs if isinstance(o, TradingChanged)]
    assert told == [("reducing", "market"), ("active", "market")]
