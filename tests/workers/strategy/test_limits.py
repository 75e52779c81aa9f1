"""What bounds a run: errors, their budget, the interval, live prices, stored signals, and old state."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from protocol.messages.market import Candle
from protocol.messages.tick import MarketState, Quote, Tick
from protocol.messages.trading import ErrorBudgetSpent, Fill, Order, Signal, Through
from tests.workers.strategy.market import MINUTE, Taken, account, candle, candles, drive, made, market, role
from tests.workers.strategy.test_account import filled
from workers.shared.core import Step
from workers.shared.exits import CannotGoOn, PersonMustLook
from workers.strategy.api import Context, Intent, PassingTrouble, Price, Strategy, StrategyParameters
from workers.strategy.core import StrategyCore
from workers.strategy.ma_cross import MaCross, MaCrossParameters
from workers.strategy.state import StrategyState, UnreadableState
from workers.strategy.tables import SWEPT_EVERY, TABLES


class Faulty(Strategy):
    """Raises at the closes named."""

    def __init__(self, faults: Sequence[object]) -> None:
        super().__init__(StrategyParameters())
        self.faults = set(map(str, faults))

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        if str(candle.close) in self.faults:
            raise RuntimeError(f"at {candle.close}")
        return []


class Waking(Strategy):
    """Speaks on ticks and at intervals."""

    def __init__(self, said: list[Intent] | None = None) -> None:
        super().__init__(StrategyParameters())
        self.said = said or []
        self.heard: list[str] = []

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        return []

    def on_tick(self, context: Context, tick: Price) -> list[Intent]:
        self.heard.append(f"tick {tick.at_ms}")
        return self.said

    def on_interval(self, context: Context) -> list[Intent]:
        self.heard.append(f"interval {context.now_ms}")
        context.log.info("looked", at_what=context.symbol)
        return self.said


def until_raised(core: StrategyCore, taken: Taken, error: type[Exception]) -> Exception:
    """Step until the core gives up."""
    with pytest.raises(error) as caught:
        while (step := core.step()) is not None:
            taken.add(step)
    return caught.value


@pytest.mark.req("T2")
def test_a_run_in_which_nothing_works_asks_for_a_person() -> None:
    """After the budget of errors and not one success: exit 78, and what was done is committed first."""
    core, taken = made(Faulty([1]), error_budget=20), Taken()
    core.receive("feed", market([candle(n, 1) for n in range(60)]))
    error = until_raised(core, taken, PersonMustLook)

    assert "all 20 evaluations of this run failed, the last with RuntimeError: at 1" in str(error)
    assert {"feed": 21} == taken.cursors
    assert Through(21) == taken.outputs[-1]
    last_word = ErrorBudgetSpent(strategy="strategy", errors=20, row=21, at_ms=21 * MINUTE)
    assert [last_word] == taken.decisions


@pytest.mark.req("T2")
def test_a_run_with_successes_may_be_started_again() -> None:
    """The budget among successes: an end that is restarted, each run with a budget of its own."""
    bars = market([candle(n, n % 2) if n else candle(0, 5) for n in range(90)])
    core, taken = made(Faulty([1]), error_budget=20), Taken()
    core.receive("feed", bars)
    error = until_raised(core, taken, CannotGoOn)

    assert "20 errors in this run, the last RuntimeError: at 1" in str(error)
    again = made(Faulty([1]), error_budget=20, stored=taken.state)
    again.receive("feed", bars[taken.cursors["feed"] :])
    until_raised(again, taken, CannotGoOn)
    assert 40 == again.counters()["errors"]
    assert [(20, 40), (20, 80)] == [
        (word.errors, word.row) for word in taken.outputs if isinstance(word, ErrorBudgetSpent)
    ]


class Deaf(Faulty):
    """Raises at each fill."""

    def on_fill(self, context: Context, fill: Fill) -> None:
        raise RuntimeError("what fill?")


@pytest.mark.req("B6")
def test_an_error_at_a_fill_belongs_to_the_row_after_that_of_the_fill() -> None:
    """The fills of a row are heard after its end was told and before the next row."""
    core, taken = made(Deaf([]), error_budget=1), Taken()
    core.receive("feed", market([candle(n, 1) for n in range(3)]))
    core.receive("broker", account([filled("x", "buy", "1", "1"), Through(1)]))
    until_raised(core, taken, PersonMustLook)

    assert [1] == [word.row for word in taken.outputs if isinstance(word, ErrorBudgetSpent)]


@pytest.mark.req("T2")
def test_without_a_budget_errors_never_end_a_run() -> None:
    """0 means none."""
    core = made(Faulty([1]), error_budget=0)
    drive(core, market([candle(n, 1) for n in range(60)]))

    assert 59 == core.counters()["errors"]


@pytest.mark.req("T2")
def test_a_strategy_that_wants_a_person_gets_one() -> None:
    """PersonMustLook of user code is no error to be counted."""

    class Careful(Faulty):
        def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
            raise PersonMustLook("the model is too old")

    core = made(Careful([]))
    core.receive("feed", candles([1, 2]))
    with pytest.raises(PersonMustLook, match="too old"):
        core.step()


def quote(at_ms: int) -> Tick:
    one = Decimal(1)
    return Quote(
        symbol="BTC/USDT", bid=one, bid_size=one, ask=one, ask_size=one, at_ms=at_ms, received_ms=at_ms
    )


def live(strategy: Strategy, **settings: Any) -> StrategyCore:
    """Return a core on a live market that is warm."""
    core = made(strategy, inputs=("feed",), **settings)
    core.introduce("feed", msgspec.structs.replace(role(), lockstep=False))
    drive(core, market([candle(0, 1), candle(1, 2)]))
    return core


@pytest.mark.req("T6")
def test_a_price_between_candles_is_heard_and_may_trade() -> None:
    """In order, at once; what is wanted goes out with the last row, quiet ticks cost no commit."""
    strategy = Waking()
    core = live(strategy)
    for at_ms in (130_000, 131_000):
        core.tick("feed", quote(at_ms))
    core.tick("feed", MarketState(symbol="BTC/USDT", at_ms=1))
    assert core.step() is None
    strategy.said = [Intent("enter_long")]
    core.tick("feed", quote(132_000))
    core.advance(1.0, 132_007)
    step = core.step()

    assert ["tick 130000", "tick 131000", "tick 132000"] == strategy.heard
    assert isinstance(step, Step)
    assert step.state is not None
    assert step.at_ms == 132_007  # no row has moved: the records are of now
    (signal,) = [it for it in step.outputs if isinstance(it, Signal)]
    (order,) = [it for it in step.outputs if isinstance(it, Order)]
    assert (2, 132_000, 2, 132_000) == (signal.row, signal.at_ms, order.row, order.decided_ms)
    assert Decimal(1) == order.decided_price  # that of the quote, not the last close


@pytest.mark.req("T6")
def test_each_tick_that_trades_has_an_order_of_its_own() -> None:
    """Also two of one millisecond."""
    core = live(Waking([Intent("enter_long"), Intent("exit")]))
    core.tick("feed", quote(130_000))
    core.tick("feed", quote(130_000))
    step = core.step()

    assert step is not None
    assert 4 == len({it.client_order_id for it in step.outputs if isinstance(it, Order)})


@pytest.mark.req("T1", "T6")
def test_a_live_candle_that_was_only_caught_up_with_enters_nothing() -> None:
    """After a pause its signal is stored, what it closes is closed, what it would open is late; then life
    goes on."""

    class Turning(Waking):
        def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
            return [Intent("enter_long" if candle.close % 2 else "enter_short")]

    core = made(Turning(), inputs=("feed",))
    core.introduce("feed", msgspec.structs.replace(role(), lockstep=False))
    core.advance(0.0, 2 * MINUTE + 1000)
    taken = drive(core, market([candle(0, 1), candle(1, 1)]))
    core.advance(9.0, 10 * MINUTE)
    drive(core, market([candle(n, n) for n in range(10)])[2:], taken)

    told = [(it.row, it.action[6:], it.why_not) for it in taken.outputs if isinstance(it, Signal)]
    assert [(2, "long", None), (3, "short", None), (4, "long", "late"), (5, "short", "late")] == told[:4]
    assert (10, "long", None) == told[-1]
    orders = [(it.row, it.side, it.reduce_only) for it in taken.outputs if isinstance(it, Order)]
    assert [(2, "buy", False), (3, "sell", True), (10, "buy", False)] == orders


@pytest.mark.req("T8")
def test_each_interval_of_a_live_market_is_a_cycle_that_tells_its_count() -> None:
    """Every five seconds by the clock, whether or not a candle closed, with or without a signal."""
    strategy = Waking()
    core = live(strategy, interval_ms=5000)
    told: list[tuple[float, int]] = []
    for second in range(16):
        core.advance(100.0 + second, 1_000_000 + second * 1000)
        step = core.step()
        if step is not None:
            told += [
                (second, line.facts["count"]) for line in step.logs if line.message == "signals generated"
            ]

    assert [(5, 0), (10, 0), (15, 0)] == told
    assert core.deadline == 120.0
    assert ["interval 1005000", "interval 1010000", "interval 1015000"] == strategy.heard


@pytest.mark.req("T8")
def test_on_a_recording_the_interval_counts_time_of_the_data() -> None:
    """So that a replay is the same at any speed: at most one cycle a row, after the row."""
    strategy = Waking([Intent("enter_long")])
    core = made(strategy, interval_ms=2 * MINUTE)
    taken = drive(core, candles([1] * 7))
    pieces = Waking([Intent("enter_long")])
    again, cut = made(pieces, interval_ms=2 * MINUTE), Taken()
    for record in candles([1] * 7):
        drive(again, [record], cut)
        again = made(pieces, interval_ms=2 * MINUTE, stored=cut.state)

    assert [f"interval {minute * MINUTE}" for minute in (3, 5, 7)] == strategy.heard
    assert taken.decisions == cut.decisions
    assert core.deadline is None
    assert "looked" in {line.message for line in taken.logs}


@pytest.mark.req("T5")
@pytest.mark.parametrize(
    ("settings", "why_not"),
    [
        ({}, None),
        ({"mode": "dry-run"}, "dry_run"),
        ({"auto_execute": False}, "auto_execute"),
        ({"min_confidence": Decimal("0.9")}, "min_confidence"),
    ],
)
def test_a_signal_says_why_it_is_not_traded(settings: dict[str, Any], why_not: str | None) -> None:
    """In a word, beside the fingerprint of the parameters."""

    class Eager(Waking):
        def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
            return [Intent("enter_long", Decimal("0.8"))]

    taken = drive(made(Eager(), parameters="f00d", **settings), candles([1, 2]))
    (signal,) = [it for it in taken.outputs if isinstance(it, Signal)]

    assert (why_not is None, why_not, "f00d") == (signal.traded, signal.why_not, signal.parameters)


@pytest.mark.req("T5")
def test_old_signals_are_forgotten() -> None:
    """None stays much longer than allowed; a look costs no search of the whole table."""

    class Chatty(Waking):
        def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
            return [Intent("exit")]

    connection = sqlite3.connect(":memory:")
    for table in TABLES:
        connection.execute(table)
    core = made(Chatty(), keep_signals_ms=50 * MINUTE)
    core.receive("feed", candles([1] * 1200))
    while (step := core.step()) is not None:
        for write in step.writes:
            connection.execute(write.sql, write.parameters)
    (count,) = connection.execute("SELECT count(*) FROM signals").fetchone()
    assert 50 <= count <= 52 + SWEPT_EVERY
    plan = str(connection.execute("EXPLAIN QUERY PLAN DELETE FROM signals WHERE at_ms < 5").fetchall())
    assert "signals_by_time" in plan
    connection.close()


SHORT = MaCrossParameters(fast=1, slow=3)


class Other(MaCross):
    """Another strategy."""


class Newer(MaCross):
    """The same name with another version."""

    __qualname__ = "MaCross"
    version = 2


class Forgetful(MaCross):
    """The same name, whose restore wants what the snapshot has not."""

    __qualname__ = "MaCross"

    def restore(self, snapshot: dict[str, Any]) -> None:
        raise KeyError("momentum")


def stored() -> bytes:
    taken = drive(made(), candles([10, 10, 9, 8, 20])[:-1])
    assert taken.state is not None
    return taken.state


@pytest.mark.req("T1")
@pytest.mark.parametrize(
    ("strategy", "state", "told"),
    [
        (Newer(SHORT), None, "its snapshot is of version 1 of MaCross, which is now 2"),
        (Forgetful(SHORT), None, "MaCross does not take its snapshot back (KeyError: 'momentum')"),
        (MaCross(SHORT), msgspec.msgpack.encode({"version": 1, "stance": "flat"}), "version 1, this program"),
        (MaCross(SHORT), msgspec.msgpack.encode(StrategyState(version=99)), "version 99, this program"),
        (MaCross(SHORT), b"\xc1", "cannot be read"),
        (MaCross(SHORT), msgspec.msgpack.encode({"version": 2, "tally": 7}), "cannot be read"),
    ],
)
def test_a_snapshot_of_another_version_asks_for_a_person(
    strategy: Strategy, state: bytes | None, told: str
) -> None:
    """One sentence that says what to do; nothing is guessed."""
    with pytest.raises(UnreadableState) as caught:
        made(strategy, stored=state or stored())

    assert told in str(caught.value)
    assert "discard_snapshot" in str(caught.value)


def test_a_discarded_snapshot_lets_it_begin_again() -> None:
    """The way out: candles and counters stay, what the strategy knew goes."""
    core = made(Newer(SHORT), stored=stored(), discard_snapshot=True)

    assert 3 == core.counters()["evaluations"]


def test_another_strategy_begins_with_the_history_that_is_here() -> None:
    """A changed name in the tree file is a wish, no fault: it starts warm, and knows its direction."""
    core = made(Other(SHORT), stored=stored())
    taken = drive(core, [it for it in candles([10, 10, 9, 8, 20, 30]) if it.seq > 5])

    assert 4 == core.counters()["evaluations"]
    assert [] == taken.named("strategy failed")


@pytest.mark.req("T7")
def test_the_last_heartbeat_survives_a_restart() -> None:
    """With the last candle; before the first one of the new life it is that of the old one."""
    core = made()
    core.advance(1.0, 1_700_000_000_000)
    taken = drive(core, candles([1, 2, 3]))
    again = made(stored=taken.state)

    assert "2023-11-14T22:13:20.000Z" == again.counters()["last_heartbeat"]
    assert "1970-01-01T00:02:00.000Z" == again.counters()["last_candle"]


@pytest.mark.req("T2")
def test_an_outage_of_somebody_else_may_pass() -> None:
    """A run that had nothing but passing trouble is started again, not parked."""

    class Outage(Faulty):
        def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
            raise PassingTrouble("no answer")

    core = made(Outage([]), error_budget=5)
    core.receive("feed", market([candle(n, 1) for n in range(9)]))
    until_raised(core, Taken(), CannotGoOn)
