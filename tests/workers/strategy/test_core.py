"""The strategy's core: each candle once, in order, over any restart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from protocol.messages.market import Candle, End, Funding
from protocol.messages.stream import EventsRole
from protocol.messages.trading import (
    EquityFraction,
    Fill,
    Order,
    OrderChanged,
    Quantity,
    Signal,
    Through,
    WholePosition,
)
from tests.workers.strategy.market import (
    SHORT_CROSS,
    Taken,
    account,
    candle,
    candles,
    drive,
    made,
    market,
    role,
)
from workers.shared.exits import PersonMustLook
from workers.strategy.api import Context, Intent, Strategy, StrategyParameters
from workers.strategy.ma_cross import MaCross

UP_DOWN_UP = [10, 10, 9, 8, 20, 30, 5, 4, 40]


class Scripted(Strategy):
    """Does at each close what the script says: intents, or an exception."""

    warmup = 2

    def __init__(self, script: dict[str, list[Intent] | Exception]) -> None:
        super().__init__(StrategyParameters())
        self.script = script
        self.seen: list[tuple[str, ...]] = []

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        self.seen.append(tuple(str(c.close) for c in context.history))
        said = self.script.get(str(candle.close), [])
        if isinstance(said, Exception):
            raise said
        return said


class Listening(MaCross):
    """Notes in which order fills and candles come."""

    def __init__(self) -> None:
        super().__init__(SHORT_CROSS)
        self.heard: list[str] = []

    def on_fill(self, context: Context, fill: Fill) -> None:
        self.heard.append(fill.fill_id)

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        self.heard.append(f"row {candle.open_ms // 60_000 + 1}")
        return super().on_candle(context, candle)

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "heard": self.heard}

    def restore(self, snapshot: dict[str, Any]) -> None:
        super().restore(snapshot)
        self.heard = snapshot["heard"]


def fill(fill_id: str, strategy: str = "strategy") -> Fill:
    one = Decimal(1)
    return Fill(
        fill_id=fill_id,
        client_order_id="x",
        strategy=strategy,
        symbol="BTC/USDT",
        side="buy",
        price=one,
        quantity=one,
        fee=one,
        realised=one,
        position=one,
        at_ms=0,
        row=1,
    )


def sides(taken: Taken) -> list[tuple[int, int, str, bool]]:
    return [(o.row, o.leg, o.side, o.reduce_only) for o in taken.outputs if isinstance(o, Order)]


@pytest.mark.req("T1")
def test_cross_closes_and_opens() -> None:
    """On a perpetual each cross turns the position: leg 0 closes all of it, leg 1 opens the other way."""
    taken = drive(made(), candles(UP_DOWN_UP))

    assert [
        (5, 1, "buy", False),
        (7, 0, "sell", True),
        (7, 1, "sell", False),
        (9, 0, "buy", True),
        (9, 1, "buy", False),
    ] == sides(taken)
    sizes = [o.size for o in taken.outputs if isinstance(o, Order)]
    assert [EquityFraction(Decimal("0.05")), WholePosition()] == sizes[:2]


@pytest.mark.req("T1")
def test_spot_is_never_sold_short() -> None:
    """On spot a fall only closes what is held."""
    taken = drive(made(contract="spot"), candles(UP_DOWN_UP))

    assert [(5, 1, "buy", False), (7, 0, "sell", True), (9, 1, "buy", False)] == sides(taken)
    assert ["enter_long", "exit", "enter_long"] == [s.action for s in taken.outputs if isinstance(s, Signal)]


@pytest.mark.req("T5")
def test_signal_is_stored_with_reasons_and_confidence() -> None:
    """Each signal carries action, confidence and reasons, goes out as a record and into the table."""
    taken = drive(made(), candles(UP_DOWN_UP))
    signals = [s for s in taken.outputs if isinstance(s, Signal)]

    assert 3 == len(signals) == taken.writes
    assert all(0 < s.confidence <= 1 and "crossed" in s.reasons[0] and s.traded for s in signals)
    assert 3 == len(taken.named("evaluation"))
    assert 5 == len(taken.named("order submitted"))


@pytest.mark.req("T5")
def test_weak_signal_is_stored_and_not_traded() -> None:
    """Below min_confidence a signal is kept and changes nothing."""
    weak = Intent("enter_long", Decimal("0.4"))
    taken = drive(made(Scripted({"10": [weak]}), min_confidence=Decimal("0.5")), candles([0, 10]))

    assert [("enter_long", False)] == [(s.action, s.traded) for s in taken.outputs if isinstance(s, Signal)]
    assert [] == sides(taken)


@pytest.mark.req("T1")
def test_dry_run_logs_orders_and_submits_none() -> None:
    """In dry-run the log shows the same orders, marked, and none goes out."""
    paper, dry = drive(made(), candles(UP_DOWN_UP)), drive(made(mode="dry-run"), candles(UP_DOWN_UP))

    ids = [line.facts["client_order_id"] for line in paper.named("order submitted")]
    assert ids == [line.facts["client_order_id"] for line in dry.named("order submitted")]
    assert {True} == {line.facts["dry_run"] for line in dry.named("order submitted")}
    assert [] == sides(dry)
    assert {False} == {s.traded for s in dry.outputs if isinstance(s, Signal)}


def test_without_auto_execute_there_are_only_signals() -> None:
    """Signals are stored; no order is made, nor logged as if it were."""
    taken = drive(made(auto_execute=False), candles(UP_DOWN_UP))

    assert (3, [], []) == (taken.writes, sides(taken), taken.named("order submitted"))


@pytest.mark.req("T1")
def test_one_watermark_a_step_and_the_end_is_told() -> None:
    """A step ends with "through its last row"; the end of the recording is marked."""
    taken = drive(made(), candles([1, 2]))

    assert [Through(3, end=True)] == taken.outputs
    assert {"feed": 3} == taken.cursors


@pytest.mark.req("T1")
def test_candle_that_is_not_newer_is_passed_over() -> None:
    """A candle sent again is no second evaluation, and is still done with."""
    strategy = Scripted({})
    repeated = market([candle(0, 1), candle(1, 2), candle(1, 2), candle(0, 1), candle(2, 3)])
    taken = drive(made(strategy), repeated)

    assert [("1", "2"), ("2", "3")] == strategy.seen
    assert [Through(5)] == taken.outputs


def test_other_market_records_are_done_with() -> None:
    """Funding says nothing to a strategy."""
    paid = Funding(symbol="BTC/USDT", at_ms=0, rate=Decimal("0.0001"))

    assert [Through(1)] == drive(made(), market([paid])).outputs


@pytest.mark.req("T3")
def test_too_little_history_is_no_evaluation() -> None:
    """Before the warm-up is complete nothing is evaluated, and nothing fails."""
    core = made()
    taken = drive(core, candles([1, 2]))

    assert 0 == core.counters()["evaluations"]
    assert [] == taken.named("strategy failed")


@pytest.mark.req("T2")
def test_exception_of_user_code_is_one_lost_evaluation() -> None:
    """It is logged with traceback, symbol and time; the candle counts as done; the next one is evaluated."""
    core = made(Scripted({"2": RuntimeError("boom"), "3": [Intent("enter_long")]}))
    taken = drive(core, candles([1, 2, 3]))
    (line,) = taken.named("strategy failed")

    assert ("BTC/USDT", "1970-01-01T00:01:00.000Z") == (line.facts["symbol"], line.facts["open_time"])
    assert "Traceback" in line.facts["exception"]
    assert [(3, 1, "buy", False)] == sides(taken)
    assert 1 == len(taken.named("recovered"))
    assert (2, 1) == (core.counters()["evaluations"], core.counters()["errors"])
    assert "RuntimeError: boom" == core.condition().last_error


@pytest.mark.req("T2")
def test_errors_in_a_row_warn_and_degrade() -> None:
    """The tenth failure in a row raises one warning; health is degraded until a success."""
    core = made(Scripted({"1": ValueError("no")}), max_consecutive_errors=10)
    taken = drive(core, market([candle(i, 1) for i in range(13)]))

    assert 1 == len(taken.named("strategy keeps failing"))
    assert core.condition().reasons
    drive(core, [r for r in market([candle(i, 2) for i in range(14)]) if r.seq == 14])
    assert () == core.condition().reasons


@pytest.mark.parametrize(
    "said",
    [
        [Intent("buy")],  # type: ignore[arg-type]
        [Intent("enter_long", Decimal(2))],
        [Intent("enter_long", Decimal("NaN"))],
        [Intent("enter_long", 0.5)],  # type: ignore[arg-type]
        7,
        ["enter_long"],
    ],
)
def test_nonsense_from_user_code_is_an_error_of_it(said: Any) -> None:
    """An answer that is no list of intents is reported like an exception, and trades nothing."""
    taken = drive(made(Scripted({"1": said})), candles([0, 1]))

    assert 1 == len(taken.named("strategy failed"))
    assert [Through(3, end=True)] == taken.outputs


def test_intents_of_one_candle_are_legs_in_order() -> None:
    """Several intents become orders with legs of their own, so that each has its identity."""
    script: dict[str, list[Intent] | Exception] = {
        "1": [Intent("enter_long"), Intent("enter_long"), Intent("enter_short", size=Quantity(Decimal(2)))]
    }
    taken = drive(made(Scripted(script)), candles([0, 1]))

    assert [(2, 1, "buy", False), (2, 4, "sell", True), (2, 5, "sell", False)] == sides(taken)
    assert 3 == len({o.client_order_id for o in taken.outputs if isinstance(o, Order)})


def test_entry_in_the_same_direction_needs_a_size() -> None:
    """Saying "long" again adds nothing; with a size of its own it adds that."""
    more = Intent("enter_long", size=Quantity(Decimal(2)))
    script: dict[str, list[Intent] | Exception] = {"1": [Intent("enter_long")], "2": [more]}
    taken = drive(made(Scripted(script)), candles([0, 1, 1, 2]))

    assert [(2, 1), (4, 1)] == [(row, leg) for row, leg, _, _ in sides(taken)]


def test_exit_without_a_position_orders_nothing() -> None:
    """There is nothing to close."""
    assert [] == sides(drive(made(Scripted({"1": [Intent("exit")]})), candles([0, 1])))


@pytest.mark.req("T1")
def test_listener_hears_the_fills_of_a_row_before_the_row() -> None:
    """It waits at row n until the broker is through with n, and names the broker as what it waits for."""
    strategy = Listening()
    core = made(strategy)
    core.receive("feed", candles([1, 2, 3]))

    assert core.step() is None
    assert "broker" == core.waiting_for
    changed = OrderChanged(
        client_order_id="x", strategy="strategy", symbol="S", side="buy", status="filled", at_ms=0
    )
    core.receive("broker", account([fill("a"), fill("other's", "another"), changed, Through(3)]))
    taken = drive(core, [])
    assert ["a", "row 3"] == strategy.heard
    assert {"feed": 3, "broker": 4} == taken.cursors
    assert "broker" == core.waiting_for


def test_failing_on_fill_is_reported() -> None:
    """An exception there is counted and the fill is done with."""

    class Broken(Listening):
        def on_fill(self, context: Context, fill: Fill) -> None:
            raise KeyError(fill.fill_id)

    core = made(Broken())
    core.receive("broker", account([fill("a"), Through(1)]))
    taken = drive(core, [])

    assert 1 == len(taken.named("strategy failed"))
    assert {"broker": 2} == taken.cursors


@pytest.mark.parametrize(("source", "kind"), [("feed2", role()), ("root", EventsRole())])
def test_unusable_input_ends_the_worker(source: str, kind: Any) -> None:
    """A second market, or something that is no market, is a mistake in the file."""
    with pytest.raises(PersonMustLook, match=f"strategy.config.inputs: '{source}'"):
        made().introduce(source, kind)


def test_introduction_may_be_repeated() -> None:
    """A producer that comes back introduces itself again."""
    core = made()
    core.introduce("feed", role())

    assert core.room("feed") > 0


def test_room_bounds_what_waits() -> None:
    """No more is taken than can wait here."""
    core = made()
    before = core.room("feed")
    core.receive("feed", candles([1, 2]))

    assert before - 3 == core.room("feed")


def test_holds_are_told_at_debug_only_when_asked_for() -> None:
    """An evaluation without a signal is a DEBUG line, and costs nothing otherwise."""
    quiet, chatty = drive(made(), candles([1] * 5)), drive(made(verbose=True), candles([1] * 5))

    assert [] == quiet.logs
    assert ["DEBUG"] * 3 == [line.level for line in chatty.named("evaluation")]


def test_signals_generated_tells_count_and_seconds() -> None:
    """Each step with signals says how many in how many seconds."""
    (line,) = drive(made(), candles(UP_DOWN_UP)).named("signals generated")

    assert {"count": 3, "seconds": 0.0} == line.facts


def test_end_is_not_a_candle() -> None:
    """An empty recording is through at its end."""
    assert [Through(1, end=True)] == drive(made(), market([End(on_end="idle", at_ms=0)])).outputs
