"""Orders of every kind in candle mode: what one candle may and may not do to them (R3 to R7)."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.messages.market import Candle
from protocol.messages.trading import (
    AtPrice,
    Away,
    Bracket,
    OrderChanged,
    Quantity,
    Through,
    TradeClosed,
    WholePosition,
)
from tests.workers.broker.bench import (
    MINUTE,
    ONE,
    Bench,
    D,
    bar,
    cancel,
    candle,
    filled,
    order,
    statuses,
    traded,
)
from tests.workers.broker.pit import LONG
from workers.broker.matching import Terms

# --- limits -------------------------------------------------------------------------------------


@pytest.mark.req("B2")
@pytest.mark.parametrize(
    ("low", "fills"),
    [("90", []), ("89.5", [("s-1-0", 2, D(90), D(1))]), ("95", [])],
    ids=["touched", "through", "not reached"],
)
def test_a_limit_fills_as_maker_only_when_the_price_goes_strictly_through_it(low: str, fills: object) -> None:
    """At its own price, never better."""
    buy = order(1, size=ONE, kind="limit", limit=D(90))
    bench = traded([candle(1, "100"), bar(2, "100", "100", low, "100")], buy)

    assert filled(bench) == fills
    assert all(fill.liquidity == "maker" for fill in bench.fills)


@pytest.mark.req("B2")
def test_limits_share_a_tenth_of_the_candles_volume() -> None:
    """Liquidity is consumed once: the second order gets what the first left, the rest waits for more."""
    first, second = (order(1, size=Quantity(D(4)), leg=leg, kind="limit", limit=D(90)) for leg in (0, 1))
    quiet = bar(2, "100", "100", "80", "100", volume="50")
    later = bar(3, "100", "100", "80", "100", volume="100")
    bench = traded([candle(1, "100"), quiet, later], first, second)

    assert filled(bench) == [
        ("s-1-0", 2, D(90), D(4)),
        ("s-1-1", 2, D(90), D(1)),
        ("s-1-1", 3, D(90), D(3)),
    ]
    told = [o.status for o in bench.outputs if isinstance(o, OrderChanged) and o.client_order_id == "s-1-1"]
    assert told == ["accepted", "partially_filled", "filled"]


@pytest.mark.req("B2")
def test_a_marketable_limit_takes_up_to_its_price() -> None:
    """Taker at the open plus slippage when that is within the limit."""
    buy = order(1, size=ONE, kind="limit", limit=D(102))
    bench = traded([candle(1, "100"), candle(2, "101")], buy, terms=Terms(slippage_bps=D(10)))

    assert filled(bench) == [("s-1-0", 2, D("101.5"), D(1))]
    assert bench.fills[0].liquidity == "taker"


@pytest.mark.req("B2")
@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"time_in_force": "ioc"}, "cancelled", "not_marketable"),
        ({}, "accepted", None),
    ],
    ids=["ioc", "gtc"],
)
def test_what_is_not_marketable_rests_or_is_cancelled(how: dict[str, Any], status: str, code: object) -> None:
    """IOC does not wait."""
    buy = order(1, size=ONE, kind="limit", limit=D(90), **how)
    bench = traded([candle(1, "100"), candle(2, "100")], buy)

    assert bench.rows("SELECT status, code FROM orders") == [(status, code)]


@pytest.mark.req("B2")
def test_post_only_that_would_cross_is_rejected_by_the_venue() -> None:
    """Not denied by us, and never a taker."""
    buy = order(1, size=ONE, kind="limit", limit=D(102), post_only=True)
    bench = traded([candle(1, "100"), candle(2, "101")], buy)

    assert bench.fills == []
    assert bench.rows("SELECT status, code FROM orders") == [("rejected", "would_cross")]


def test_prices_go_to_the_tick_away_from_advantage() -> None:
    """A buyer bids no more than he said, a seller asks no less; stops are touched later."""
    orders = [
        order(1, size=ONE, leg=0, kind="limit", limit=D("90.3")),
        order(1, "sell", size=ONE, leg=1, kind="limit", limit=D("110.3")),
        order(1, size=ONE, leg=2, kind="stop", stop=D("110.3")),
        order(1, "sell", size=ONE, leg=3, kind="stop", stop=D("90.3")),
    ]
    bench = traded([candle(1, "100"), candle(2, "100")], *orders)

    shown = bench.rows("SELECT limit_price, stop_price FROM orders ORDER BY number")
    assert shown == [("90", None), ("110.5", None), (None, "110.5"), (None, "90")]


# --- stops --------------------------------------------------------------------------------------


@pytest.mark.req("B2")
@pytest.mark.parametrize(
    ("inside", "price"),
    [
        (bar(3, "100", "101", "95", "99"), "95"),
        (bar(3, "94", "101", "93", "99"), "94"),
        (bar(3, "100", "101", "95.5", "99"), None),
    ],
    ids=["touched", "opened beyond", "not reached"],
)
def test_a_stop_fills_at_its_price_or_at_an_open_beyond_it(inside: Candle, price: str | None) -> None:
    """Never better than what the market gave."""
    stop = order(2, "sell", WholePosition(), kind="stop", stop=D(95), reduce_only=True)
    bench = traded([candle(1, "100"), candle(2, "100"), inside], order(1, size=ONE), stop)

    assert filled(bench)[1:] == ([("s-2-0", 3, D(price), D(1))] if price else [])


@pytest.mark.req("B2")
def test_a_stop_pays_slippage() -> None:
    """R2 after the trigger."""
    stop = order(1, size=ONE, kind="stop", stop=D(105))
    bench = traded(
        [candle(1, "100"), bar(2, "100", "106", "100", "106")], stop, terms=Terms(slippage_bps=D(100))
    )

    assert filled(bench) == [("s-1-0", 2, D("106.5"), D(1))]


@pytest.mark.req("B2")
def test_a_stop_limit_that_was_jumped_over_rests_at_its_limit() -> None:
    """Triggered at an open beyond its limit, it waits there for a price that comes back through it."""
    entry = order(1, size=ONE, kind="stop_limit", stop=D(105), limit=D(106))
    jumped = bar(2, "110", "111", "104", "110")
    back = bar(3, "110", "111", "105", "108")
    bench = traded([candle(1, "100"), jumped, back], entry)

    assert filled(bench) == [("s-1-0", 3, D(106), D(1))]
    told = [o.status for o in bench.outputs if isinstance(o, OrderChanged)]
    assert told == ["accepted", "triggered", "filled"]


@pytest.mark.req("B2")
def test_a_stop_limit_within_its_limit_fills_at_the_trigger() -> None:
    """As taker."""
    entry = order(1, size=ONE, kind="stop_limit", stop=D(105), limit=D(106))
    bench = traded([candle(1, "100"), bar(2, "100", "111", "100", "110")], entry)

    assert filled(bench) == [("s-1-0", 2, D(105), D(1))]


# --- cancel, replace, expiry ---------------------------------------------------------------------


@pytest.mark.req("B2")
def test_a_cancelled_order_fills_no_more() -> None:
    """In candle mode at the close of the row."""
    buy = order(1, size=ONE, kind="limit", limit=D(90))
    crash = bar(3, "100", "100", "80", "80")
    bench = traded([candle(1, "100"), candle(2, "100"), crash], buy, cancel(2, "s-1-0"))

    assert bench.fills == []
    assert statuses(bench) == {"s-1-0": "cancelled"}
    assert bench.rows("SELECT target, status, code FROM cancels") == [("s-1-0", "done", None)]


@pytest.mark.req("B2")
@pytest.mark.parametrize(
    ("target", "code"), [("nobody", "unknown_order"), ("t-1-0", "not_its_own")], ids=["unknown", "another's"]
)
def test_a_cancel_that_cannot_be_is_denied_and_kept(target: str, code: str) -> None:
    """Nothing else happens."""
    other = order(1, size=ONE, strategy="t", kind="limit", limit=D(90))
    bench = traded([candle(1, "100"), candle(2, "100")], other, cancel(2, target))

    assert bench.rows("SELECT status, code FROM cancels") == [("denied", code)]
    assert statuses(bench) == {"t-1-0": "accepted"}


@pytest.mark.req("B2")
def test_a_replacement_takes_the_place_in_one_step() -> None:
    """A moved stop is still the stop of its bracket."""
    entry = order(1, size=ONE, bracket=LONG)
    moved = order(2, "sell", size=ONE, name="moved", kind="stop", stop=D(98), reduce_only=True)
    hit = bar(3, "100", "100", "97", "97")
    bench = traded([candle(1, "100"), candle(2, "100"), hit], entry, cancel(2, "s-1-0/stop", moved))

    assert filled(bench)[1:] == [("moved", 3, D(98), D(1))]
    assert statuses(bench)["s-1-0/target"] == "cancelled"


@pytest.mark.req("B2")
def test_a_replacement_that_is_denied_leaves_the_target_as_it_was() -> None:
    """Both or neither."""
    buy = order(1, size=ONE, kind="limit", limit=D(90))
    bad = order(2, size=Quantity(D(9999)), name="bad", kind="limit", limit=D(91))
    bench = traded([candle(1, "100"), candle(2, "100")], buy, cancel(2, "s-1-0", bad))

    assert statuses(bench) == {"s-1-0": "accepted", "bad": "denied"}


@pytest.mark.req("B2")
def test_an_order_expires_in_data_time() -> None:
    """At the open of the first candle that is not before it."""
    buy = order(1, size=ONE, kind="limit", limit=D(90), expires_ms=2 * MINUTE)
    crash = bar(3, "100", "100", "80", "80")
    bench = traded([candle(1, "100"), candle(2, "100"), crash], buy)

    assert bench.fills == []
    assert statuses(bench) == {"s-1-0": "expired"}


@pytest.mark.req("B2")
def test_an_entry_that_waits_on_purpose_records_both_prices() -> None:
    """Two minutes of delay: the open that holds then, beside the price of the decision."""
    bench = Bench(
        [candle(row, str(98 + row)) for row in range(1, 6)],
        {"s": [order(1, size=ONE, decided_price=D(99)), Through(5)]},
        terms=Terms(taker=D(0), slippage_bps=D(0), entry_delay_ms=2 * MINUTE),
    ).run()

    assert filled(bench) == [("s-1-0", 4, D(102), D(1))]
    rows = bench.rows("SELECT decided_price, price, delay_ms FROM delayed_entries")
    assert rows == [("99", "102", 2 * MINUTE)]


@pytest.mark.req("B1")
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"kind": "limit"}, "invalid_order"),
        ({"limit": D(90)}, "invalid_order"),
        ({"kind": "stop"}, "invalid_order"),
        ({"kind": "stop_limit", "stop": D(105)}, "invalid_order"),
        ({"kind": "trailing"}, "invalid_order"),
        ({"post_only": True}, "invalid_order"),
        ({"kind": "limit", "limit": D(90), "post_only": True, "time_in_force": "ioc"}, "invalid_order"),
        ({"kind": "stop", "stop": D(105), "time_in_force": "ioc"}, "invalid_order"),
        ({"kind": "limit", "limit": D("NaN")}, "invalid_price"),
        ({"kind": "limit", "limit": D(0)}, "invalid_price"),
        ({"kind": "limit", "limit": D(-1)}, "invalid_price"),
        ({"kind": "stop", "stop": D("Infinity")}, "invalid_price"),
        ({"kind": "stop", "stop": D("1e999")}, "invalid_price"),
        ({"kind": "trailing", "trail": Away(D(1))}, "invalid_price"),
        ({"kind": "trailing", "trail": AtPrice(D("-0"))}, "invalid_price"),
        ({"decided_price": D("NaN")}, "invalid_price"),
        ({"bracket": Bracket()}, "invalid_order"),
        ({"bracket": Bracket(stop=Away(D("sNaN")))}, "invalid_price"),
        ({"bracket": Bracket(stop=AtPrice(D(101)))}, "invalid_order"),
        ({"bracket": Bracket(target=AtPrice(D(99)))}, "invalid_order"),
        ({"bracket": LONG, "reduce_only": True}, "invalid_order"),
        ({"expires_ms": MINUTE}, "expired"),
        ({"expires_ms": -(2**63)}, "expired"),
        ({"name": "x" * 500}, "invalid_order"),
        ({"name": "x/stop"}, "invalid_order"),
        ({"leg": 2**63}, None),
        ({"expires_ms": 2**64 - 1}, None),
    ],
    ids=repr,
)
def test_nonsense_is_denied_with_a_code_and_kept(wrong: dict[str, Any], code: str | None) -> None:
    """Never an exception, never a fill; numbers beyond the database's are no exception either."""
    bench = traded([candle(1, "100"), candle(2, "100")], order(1, size=ONE, **wrong))

    assert bench.denials == ([code] if code else [])
    assert bench.rows("SELECT code FROM orders ORDER BY number LIMIT 1") == [(code,)]
    assert len(bench.fills) == (code is None)


@pytest.mark.req("B4")
def test_the_entry_of_a_trade_that_began_with_a_flip_counts_only_what_was_opened() -> None:
    """Long 1, sold 3: two are short at 100; two more at 110 make an average of 105, whatever was closed."""
    opens = ["100", "100", "100", "110", "120"]
    bench = traded(
        [candle(row, price) for row, price in enumerate(opens, 1)],
        order(1, size=ONE),
        order(2, "sell", size=Quantity(D(3))),
        order(3, "sell", size=Quantity(D(2))),
        order(4, size=Quantity(D(4)), reduce_only=True),
    )

    trades = [o for o in bench.outputs if isinstance(o, TradeClosed)]
    assert [(o.side, o.quantity, o.entry, o.exit) for o in trades] == [
        ("long", D(1), D(100), D(100)),
        ("short", D(4), D(105), D(120)),
    ]
