"""The broker's core on its workbench: lockstep, fills by hand, duplicates, denials."""

from __future__ import annotations

import pytest

from protocol.messages.market import End, Funding, Instrument, MarketRecord
from protocol.messages.stream import AccountRole, OrdersRole
from protocol.messages.trading import (
    EquityFraction,
    Quantity,
    StrategyRecord,
    Through,
    WholePosition,
)
from tests.workers.broker.bench import BTC, MINUTE, Bench, D, candle, order
from workers.broker.errors import CorruptState, OtherVersion, UnfitInput
from workers.broker.money import text
from workers.broker.rules import Rules
from workers.broker.state import restore

THREE = [candle(1, "100", "110"), candle(2, "120", "130"), candle(3, "140", "150")]


def through(last: int) -> Through:
    """Say that a strategy has got through a row."""
    return Through(last)


@pytest.mark.req("B4")
def test_hand_worked_buy_and_sell_on_spot() -> None:
    """A tenth of 10,000 at 110, filled at the next open plus a basis point, fee up; then all of it sold."""
    sell = order(2, "sell", WholePosition(), reduce_only=True)
    bench = Bench(THREE, {"s": [order(1), through(1), sell, through(3)]}).run()
    bought, sold = bench.fills

    assert (bought.price, bought.quantity, bought.fee) == (D("120.02"), D("9.09090909"), D("0.54554546"))
    assert (sold.price, sold.quantity, sold.fee) == (D("139.98"), D("9.09090909"), D("0.63627273"))
    assert sold.realised == D("9.09090909") * (D("139.98") - D("120.02"))
    assert (bought.at_ms, bought.row, bought.position, sold.position) == (MINUTE, 2, bought.quantity, D(0))
    cash = 10000 + sold.realised - bought.fee - sold.fee
    assert bench.rows("SELECT balance FROM ledger ORDER BY number DESC LIMIT 1") == [
        (f"{cash.normalize():f}",)
    ]
    assert bench.rows("SELECT kind FROM ledger ORDER BY number") == [
        ("deposit",),
        ("trade",),
        ("fee",),
        ("trade",),
        ("fee",),
    ]


def test_an_order_of_the_last_candle_never_fills() -> None:
    """Nothing fills without a later candle: the order stays accepted, and the end says so."""
    market: list[MarketRecord] = [*THREE, End(on_end="shutdown", at_ms=3 * MINUTE)]
    bench = Bench(market, {"s": [order(3), Through(4, end=True)]}).run()

    assert bench.fills == []
    assert bench.rows("SELECT status FROM orders") == [("accepted",)]
    assert bench.core.finished == "shutdown"
    assert Through(4, end=True) in bench.outputs


def test_the_end_is_remembered_over_a_restart() -> None:
    """A broker that is killed after the end says again that it is done."""
    bench = Bench([*THREE, End(on_end="idle", at_ms=3 * MINUTE)], {"s": [through(4)]}).run()
    bench.revive()

    assert bench.core.finished == "idle"


def test_not_finished_before_every_strategy_is_through_the_end() -> None:
    """The last row closes like any other."""
    bench = Bench([*THREE, End(on_end="shutdown", at_ms=3 * MINUTE)], {"s": [through(3)]}).run()

    assert bench.core.finished is None
    assert bench.core.waiting_for == "s"


def test_a_row_waits_for_the_slowest_strategy_and_says_for_whom() -> None:
    """Row 2 is handled only when both strategies are through row 1."""
    bench = Bench(THREE, {"a": [through(3)], "b": []}).run()
    assert bench.cursors["feed"] == 1
    assert bench.core.waiting_for == "b"

    bench.strategies["b"].append(through(3))
    bench.run()
    assert bench.cursors["feed"] == 3
    assert bench.core.waiting_for is None


def test_an_input_never_met_is_waited_for() -> None:
    """Without knowing every input the broker does nothing: a strategy unheard of may have orders."""
    bench = Bench(THREE, {"s": [through(3)]})
    fresh = Bench(THREE, {"s": []})
    fresh.core = type(bench.core)(["feed", "s"], restore(None, D(1)), Rules())
    fresh.core.introduce("feed", bench.roles()["feed"])

    assert fresh.core.step() is None
    assert fresh.core.waiting_for == "s"


def test_a_strategy_that_ran_ahead_lets_whole_batches_flow() -> None:
    """500 rows in one transaction, when every strategy has finished them."""
    market = [candle(row, "100") for row in range(1, 1201)]
    bench = Bench(market, {"s": [through(1200)]}).run()

    assert [step.cursors["feed"] for step in bench.steps] == [500, 1000, 1200]


def test_orders_of_a_row_are_admitted_by_strategy_and_leg() -> None:
    """Whoever was heard first."""
    a: list[StrategyRecord] = [order(1, leg=1, strategy="a"), order(1, leg=0, strategy="a"), through(3)]
    b: list[StrategyRecord] = [order(1, leg=0, strategy="b"), through(3)]
    bench = Bench(THREE, {"b": b, "a": a}).run()

    assert [f.client_order_id for f in bench.fills] == ["a-1-0", "a-1-1", "b-1-0"]


@pytest.mark.req("B1")
def test_the_same_order_again_fills_once() -> None:
    """In the same row, in a later row, in a later life: one order, one fill, nothing denied."""
    first = order(1)
    bench = Bench(THREE, {"s": [first, first, through(1), first, through(2)]}).run()
    bench.revive()
    bench.strategies["s"].extend([first, through(3)])
    bench.run()

    assert len(bench.fills) == 1
    assert bench.denials == []
    counters = bench.core.counters()
    assert (counters["orders"], counters["fills"], counters["denied"]) == (1, 1, 0)
    assert counters["last_candle"] == "1970-01-01T00:03:00.000Z"


@pytest.mark.req("B1")
def test_a_used_id_with_other_content_is_denied_and_the_first_order_stands() -> None:
    """The conflict is on record under an id of its own."""
    other = order(1, size=Quantity(D(1)), name="s-1-0")
    bench = Bench(THREE, {"s": [order(1), through(1), other, other, through(3)]}).run()

    assert len(bench.fills) == 1
    assert bench.denials == ["duplicate_id"]
    kept = bench.rows("SELECT status, code FROM orders ORDER BY number")
    assert kept == [("filled", None), ("denied", "duplicate_id")]


@pytest.mark.req("B1")
def test_an_order_for_a_row_that_is_closed_is_refused_as_stale_and_recorded() -> None:
    """It cannot fill by prices that were known when it was sent."""
    bench = Bench(THREE, {"s": [through(1), order(1), through(3)]}).run()

    assert bench.fills == []
    assert bench.denials == ["stale"]
    assert bench.rows("SELECT code FROM orders") == [("stale",)]


def test_ids_are_forgotten_when_they_can_only_be_stale() -> None:
    """The state stays small; an ancient order comes back as stale and the first record stands."""
    market = [candle(row, "100") for row in range(1, 700)]
    bench = Bench(market, {"s": [order(1), through(600), order(1), through(699)]}).run()

    assert len(bench.fills) == 1
    assert bench.denials == ["stale"]
    assert bench.rows("SELECT status FROM orders") == [("filled",)]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (order(1, size=EquityFraction(D("NaN"))), "invalid_size"),
        (order(1, size=EquityFraction(D("Infinity"))), "invalid_size"),
        (order(1, size=EquityFraction(D(0))), "invalid_size"),
        (order(1, size=Quantity(D(-1))), "invalid_size"),
        (order(1, size=Quantity(D("1E+99999"))), "invalid_size"),
        (order(1, size=Quantity(D("1E-99999"))), "invalid_size"),
        (order(1, size=WholePosition()), "invalid_size"),
        (order(1, size=Quantity(D("1E-9"))), "quantity_too_small"),
        (order(1, size=Quantity(D("0.01"))), "below_min_notional"),
        (order(1, size=Quantity(D(1000))), "insufficient_funds"),
        (order(1, size=EquityFraction(D("1.5"))), "insufficient_funds"),
        (order(1, "sell", size=Quantity(D(1))), "short_not_allowed"),
        (order(1, "sell", size=WholePosition(), reduce_only=True), "nothing_to_reduce"),
        (order(1, symbol="ETH/USDT"), "unknown_symbol"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_orders_are_denied_with_a_code_and_kept(wrong: object, code: str) -> None:
    """Never an exception, never a fill."""
    rules = Instrument(min_notional=D(5))
    bench = Bench(THREE, {"s": [wrong, through(3)]}, instrument=rules).run()  # type: ignore[list-item]

    assert bench.denials == [code]
    assert bench.fills == []
    assert bench.rows("SELECT status, code FROM orders") == [("denied", code)]
    counted = bench.core.counters()
    assert (counted["orders"], counted["fills"], counted["denied"]) == (1, 0, 1)


def test_before_the_first_candle_there_is_no_price() -> None:
    """A funding row alone gives nothing to size an order by."""
    market: list[MarketRecord] = [
        Funding(symbol=BTC, at_ms=0, rate=D("0.01")),
        candle(2, "100"),
        candle(3, "100"),
    ]
    bench = Bench(market, {"s": [order(1), through(3)]}).run()

    assert bench.denials == ["no_price"]


def test_dry_run_records_and_submits_nothing() -> None:
    """Orders are kept as denied with the code dry_run."""
    bench = Bench(THREE, {"s": [order(1), through(3)]}, dry_run=True).run()

    assert bench.denials == ["dry_run"]
    assert bench.fills == []


def test_the_whole_equity_buys_what_its_costs_leave() -> None:
    """A fraction of 1 is cut to what cash pays for, then at a higher open again; the rest is cancelled."""
    bench = Bench(THREE, {"s": [order(1, size=EquityFraction(D(1))), through(3)]}).run()
    (fill,) = bench.fills

    assert D(0) <= 10000 - fill.quantity * fill.price - fill.fee < D("0.001")
    assert bench.rows("SELECT status, code FROM orders") == [("cancelled", "insufficient_funds")]


def test_a_linear_position_can_be_flipped_with_all_of_the_equity() -> None:
    """Close the long, open the short of the same size, in one row: margin is not needed twice."""
    flip = [
        order(2, "sell", WholePosition(), leg=0, reduce_only=True),
        order(2, "sell", EquityFraction(D("0.9")), leg=1),
    ]
    buy = order(1, size=EquityFraction(D("0.9")))
    flat = [candle(row, "100") for row in range(1, 5)]
    bench = Bench(flat, {"s": [buy, through(1), *flip, through(4)]}, contract="linear").run()

    assert bench.denials == []
    assert bench.fills[-1].position < 0
    assert bench.rows("SELECT contract, quantity FROM positions") == [
        ("linear", text(bench.fills[-1].position))
    ]


def test_a_linear_short_beyond_the_equity_is_denied() -> None:
    """Leverage is 1."""
    first, second = (order(1, "sell", Quantity(D(50)), leg=leg) for leg in (0, 1))
    flat = [candle(row, "100") for row in range(1, 4)]
    bench = Bench(flat, {"s": [first, second, through(3)]}, contract="linear").run()

    assert len(bench.fills) == 1
    assert bench.denials == ["insufficient_funds"]


def test_funding_is_booked_once_for_each_time() -> None:
    """On the quantity held, at the last mark; the same time again pays nothing."""
    rate = Funding(symbol=BTC, at_ms=2 * MINUTE, rate=D("0.001"))
    market: list[MarketRecord] = [candle(1, "100"), candle(2, "100"), rate, rate, candle(5, "100")]
    bench = Bench(market, {"s": [order(1, size=Quantity(D(1))), through(5)]}, contract="linear").run()

    assert bench.rows("SELECT quantity, amount FROM funding") == [("1", "-0.1")]
    assert bench.rows("SELECT amount FROM ledger WHERE kind = 'funding'") == [("-0.1",)]


def test_a_market_without_lockstep_waits_for_nobody() -> None:
    """Live: candles are handled as they come, orders admitted as they come, filled by the next candle."""
    bench = Bench(THREE[:2], {"s": []}, lockstep=False).run()
    assert bench.cursors["feed"] == 2

    bench.strategies["s"].append(order(2))
    bench.market = THREE
    bench.deliver("s", 9)
    bench.turn()
    bench.run()
    assert [fill.row for fill in bench.fills] == [3]


def test_inputs_that_a_broker_cannot_use_are_refused_in_words() -> None:
    """A second feed, or another broker, is a mistake in the tree file."""
    bench = Bench(THREE, {"s": []})
    with pytest.raises(UnfitInput, match="'x' of the broker sends account"):
        bench.core.introduce("x", AccountRole())
    with pytest.raises(UnfitInput, match="'y' of the broker sends market beside the market 'feed'"):
        bench.core.introduce("y", bench.roles()["feed"])


def test_to_be_introduced_again_is_harmless() -> None:
    """A producer that restarts is met again."""
    bench = Bench(THREE, {"s": [through(3)]})
    bench.deliver("feed", 2)
    bench.core.introduce("feed", bench.roles()["feed"])
    bench.core.introduce("s", OrdersRole(strategy="s"))
    bench.run()

    assert bench.cursors["feed"] == 3


def test_what_is_received_is_bounded_but_never_stuck() -> None:
    """A strategy that sends without end is held back, unless it is the one that all wait for."""
    many = [order(1, leg=leg) for leg in range(6000)]
    bench = Bench([candle(1, "100"), candle(2, "100")], {"s": [*many, through(2)]})
    bench.deliver("s", 10_000)
    assert bench.core.room("s") == 0

    bench.run()
    assert bench.cursors == {"feed": 2, "s": 6001}


@pytest.mark.req("B5")
@pytest.mark.parametrize("stored", [b"", b"garbage", b"\x80", b"\x81\xa6schema\x02"])
def test_a_state_that_cannot_be_read_needs_a_person(stored: bytes) -> None:
    """The sentence says what to do."""
    with pytest.raises(CorruptState, match="backup"):
        restore(stored, D(1))


@pytest.mark.req("B5")
def test_a_state_of_another_version_is_left_alone_in_words() -> None:
    """Books kept by an earlier program are never misread."""
    with pytest.raises(OtherVersion, match="their form is 1, this program reads 2"):
        restore(b"\x81\xa6schema\x01", D(1))
