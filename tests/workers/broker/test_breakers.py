"""Breakers: what trips them, what that does, and how it ends. All in the time of the data."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocol.messages.instruction import Instructed, Resume
from protocol.messages.market import Candle
from protocol.messages.trading import (
    ErrorBudgetSpent,
    Quantity,
    StrategyRecord,
    Through,
    TradingChanged,
    WholePosition,
)
from tests.workers.broker.bench import MINUTE, Bench, D, candle, order
from workers.broker.breakers import BREAKERS, DAY_MS, Limits, Watch, closed, marked, ordered, reset
from workers.broker.instructions import Told
from workers.broker.matching import Terms
from workers.broker.notes import Notes
from workers.broker.risk import Risk
from workers.broker.state import restore
from workers.broker.trading_state import Curb, Trading

FREE = Terms(taker=D(0), slippage_bps=D(0))
TEN = Quantity(D(10))


def run(candles: list[Candle], said: list[StrategyRecord], **limits: Any) -> Bench:
    """Trade 10 of a linear contract with an account of 10,000."""
    chosen = Limits(**limits)
    bench = Bench(candles, {"s": said}, contract="linear", terms=FREE, limits=chosen)
    return bench.run()


def states(bench: Bench) -> list[tuple[str, str, str | None]]:
    """Return how the trading state moved."""
    return [(o.state, o.trigger, o.strategy) for o in bench.outputs if isinstance(o, TradingChanged)]


def day_two(row: int, price: str) -> Candle:
    """Return a candle of the next day."""
    made = candle(row, price)
    shift = DAY_MS
    return replace(made, open_ms=made.open_ms + shift, close_ms=made.close_ms + shift)


@pytest.mark.req("B6")
def test_a_daily_loss_marked_to_market_refuses_entries_until_the_next_day() -> None:
    """10 x 30 of 10,000 is 3 %; exits are allowed."""
    market = [
        candle(1, "100"),
        candle(2, "100"),
        candle(3, "70"),
        candle(4, "70"),
        day_two(5, "70"),
        day_two(6, "70"),
    ]
    said: list[StrategyRecord] = [
        order(1, size=TEN),
        order(3, size=TEN),
        order(3, "sell", WholePosition(), leg=1, reduce_only=True),
        order(5, size=TEN),
        Through(6),
    ]
    bench = run(market, said)

    assert bench.denials == ["reducing"]
    assert states(bench) == [("reducing", "daily_loss", None), ("active", "daily_loss", None)]
    assert [fill.row for fill in bench.fills] == [2, 4, 6]


@pytest.mark.req("B6")
def test_a_drawdown_halts_until_an_operator_resets_it_over_restarts() -> None:
    """10 % below the stored high: critical."""
    market = [candle(1, "100"), candle(2, "100"), candle(3, "200"), candle(4, "90"), candle(5, "90")]
    bench = run(market, [order(1, size=TEN), Through(3)], daily_loss=None)
    bench.revive()
    bench.strategies["s"] += [order(4, size=TEN), Through(5)]
    bench.run()

    assert bench.denials == ["halted"]
    assert bench.core.condition().critical
    assert bench.core.condition().reasons == ("account halted: drawdown",)
    assert bench.rows("SELECT state, trigger, critical, until_ms FROM trading") == [
        ("halted", "drawdown", 1, None)
    ]


@pytest.mark.req("B6")
def test_losses_in_a_row_pause_that_strategy_for_the_cooldown() -> None:
    """Another one goes on; a gain begins the count anew."""
    prices = ["100", "100", "99", "99", "98", "98", "98", "98"]
    market = [candle(row, price) for row, price in enumerate(prices, 1)]
    said: list[StrategyRecord] = []
    for row in (1, 3):
        said.append(order(row, size=TEN))
        said.append(order(row + 1, "sell", WholePosition(), reduce_only=True))
    said += [order(5, size=TEN), order(7, size=TEN), Through(8)]
    bench = run(market, said, losses=2, cooldown_ms=2 * MINUTE)

    assert states(bench) == [("reducing", "losses", "s"), ("active", "losses", "s")]
    assert bench.denials == ["reducing"]


@pytest.mark.req("B6")
def test_too_many_orders_in_a_minute_halt_that_strategy() -> None:
    """Critical, until an operator resets it."""
    said: list[StrategyRecord] = [order(1, size=Quantity(D(1)), leg=leg) for leg in range(4)]
    bench = run([candle(1, "100"), candle(2, "100")], [*said, Through(2)], orders=2)

    assert states(bench) == [("halted", "orders", "s")]
    assert bench.denials == ["halted"]
    assert bench.core.condition().critical


@pytest.mark.req("B6")
def test_without_continuous_nothing_ends_by_itself() -> None:
    """Each waits for an operator."""
    watch, limits = Watch(), Limits(continuous=False)
    marked(watch, limits, D(100), 0)
    (curb,) = marked(watch, limits, D(97), 1)

    assert (curb.trigger, curb.until_ms) == ("daily_loss", None)


@pytest.mark.req("B6")
@pytest.mark.parametrize(("equity", "trips"), [("97.01", False), ("97", True), ("-5", True)])
def test_a_limit_trips_when_it_is_reached(equity: str, trips: bool) -> None:
    """3 % of 100 is 97."""
    watch, limits = Watch(), Limits(drawdown=None)
    marked(watch, limits, D(100), 0)

    assert bool(marked(watch, limits, D(equity), 1)) is trips


@pytest.mark.req("B6")
def test_the_daily_loss_counts_from_the_equity_at_midnight_and_the_drawdown_from_the_high() -> None:
    """Yesterday's high is none of the day's business, and the high forgets no day."""
    watch, day = Watch(), Limits(drawdown=None)
    assert [marked(watch, day, D(equity), at) for equity, at in ((100, 0), (98, 1))] == [[], []]
    assert marked(watch, day, D(96), DAY_MS) == []
    assert marked(watch, day, D("93.2"), DAY_MS + 1) == []
    (curb,) = marked(watch, day, D(93), DAY_MS + 2)
    assert (curb.state, curb.until_ms) == ("reducing", 2 * DAY_MS)

    watch, deep = Watch(), Limits(daily_loss=None)
    assert [marked(watch, deep, D(equity), 0) for equity in (100, 120, 109)] == [[], [], []]
    (curb,) = marked(watch, deep, D(108), 5 * DAY_MS)
    assert (curb.trigger, curb.state, curb.critical, curb.until_ms) == ("drawdown", "halted", True, None)


@pytest.mark.req("B6")
def test_losses_count_in_a_row_and_begin_anew_after_they_tripped() -> None:
    """A trade that made nothing is no loss and ends the row."""
    watch, limits = Watch(), Limits(losses=2)
    made = [closed(watch, limits, "s", D(result), 0) for result in (-1, 0, -1, 1, -1, -1, -1, -1)]

    assert [len(curbs) for curbs in made] == [0, 0, 0, 0, 0, 1, 0, 1]


@pytest.mark.req("B6")
def test_orders_are_counted_by_strategy_in_each_minute() -> None:
    """The limit itself is allowed."""
    watch, limits = Watch(), Limits(orders=2)
    times = [("s", 0), ("s", 1), ("t", 2), ("s", MINUTE), ("s", MINUTE + 1), ("s", MINUTE + 2)]

    assert [len(ordered(watch, limits, name, at)) for name, at in times] == [0, 0, 0, 0, 0, 1]


@pytest.mark.req("B6")
@pytest.mark.parametrize(
    ("trigger", "state", "critical"),
    [
        ("daily_loss", "reducing", False),
        ("drawdown", "halted", True),
        ("losses", "reducing", False),
        ("orders", "halted", True),
        ("errors", "reducing", False),
        ("market", "reducing", False),
        ("storage", "reducing", True),
        ("venue", "reducing", False),
        ("reconciliation", "halted", True),
        ("kill_switch", "halted", True),
        ("operator", "reducing", False),
    ],
)
def test_the_table_of_triggers(trigger: str, state: str, critical: bool) -> None:
    """As agreed: what each does, and whether it is critical."""
    assert (BREAKERS[trigger].state, BREAKERS[trigger].critical) == (state, critical)
    assert len(BREAKERS) == 11


def curb(trigger: str, state: Any, strategy: str | None = None, until_ms: int | None = None) -> Curb:
    """Give a curb."""
    return Curb(
        trigger=trigger, state=state, critical=False, since_ms=0, strategy=strategy, until_ms=until_ms
    )


@pytest.mark.req("B6")
def test_the_strictest_curb_counts_and_that_of_one_strategy_is_its_own() -> None:
    """The account is not halted because one strategy is; what ends by itself does so at its time."""
    trading = Trading()
    trading.put(curb("operator", "reducing"))
    trading.put(curb("orders", "halted", "s", until_ms=10))

    assert [getattr(trading.of(name), "state", None) for name in ("s", "t", None)] == [
        "halted",
        "reducing",
        "reducing",
    ]
    assert not trading.halted
    assert trading.expire(9) == []
    assert [change.state for change in trading.expire(10)] == ["reducing"]


@pytest.mark.req("B6")
def test_a_resume_lifts_what_an_operator_may_lift() -> None:
    """Not the kill switch, nor what only the world can mend; and the row on disk says who did it."""
    state, notes = restore(None, D(100)), Notes()
    risk = Risk(state, Limits(), notes)
    for trigger in BREAKERS:
        risk.curb(trigger)
    assert risk.resume(None, "cli")

    assert {left.trigger for left in state.trading.curbs} == {"kill_switch", "market", "storage", "venue"}
    assert not risk.resume(None, "cli")
    assert len([write for write in notes.writes if "trading" in write.sql]) == len(BREAKERS) + 7


def test_a_reset_begins_anew() -> None:
    """What tripped once does not trip again at once."""
    watch, limits = Watch(), Limits(losses=2, orders=1)
    marked(watch, limits, D(100), 0)
    closed(watch, limits, "s", D(-1), 1)
    ordered(watch, limits, "s", 1)
    reset(watch, D(50), None)

    assert marked(watch, limits, D(50), 2) == []
    assert closed(watch, limits, "s", D(-1), 3) == []
    assert ordered(watch, limits, "s", 3) == []


def test_off_trips_never() -> None:
    """As a replay runs."""
    market = [candle(1, "100"), candle(2, "100"), candle(3, "10"), candle(4, "10")]
    bench = run(
        market,
        [order(1, size=TEN), Through(4)],
        daily_loss=None,
        drawdown=None,
        losses=None,
        orders=None,
    )

    assert states(bench) == []


def last_word(row: int, strategy: str = "s") -> ErrorBudgetSpent:
    """Return what a strategy says when its errors are too many."""
    return ErrorBudgetSpent(strategy=strategy, errors=20, row=row, at_ms=row * MINUTE)


@pytest.mark.req("B6")
def test_a_strategy_whose_error_budget_is_spent_pauses_until_an_operator_resumes_it() -> None:
    """From that row on, over restarts; its orders of that row, its exits and other strategies go on."""
    market = [candle(row, "100") for row in range(1, 8)]
    said: list[StrategyRecord] = [order(1, size=TEN), last_word(1), Through(1), order(2), Through(2)]
    said += [order(3, "sell", TEN, reduce_only=True), order(3, strategy="other", leg=1), Through(3)]
    bench = run(market, said, continuous=False)
    bench.revive()
    bench.strategies["s"] += [order(4), Through(4)]
    bench.run()

    assert bench.denials == ["paused", "paused"]
    assert [fill.client_order_id for fill in bench.fills] == ["s-1-0", "other-3-1", "s-3-0"]
    assert bench.core.condition().reasons == ("s reducing: errors",)
    assert not bench.core.condition().critical
    assert bench.rows("SELECT state, trigger, strategy, critical, at_ms FROM trading") == [
        ("reducing", "errors", "s", 0, MINUTE)
    ]

    bench.core.instruct("j", [Told(1, Instructed(id="i", by="cli", at_ms=0, instruction=Resume()))])
    bench.strategies["s"] += [order(5), Through(6)]
    bench.run()
    assert bench.denials == ["paused", "paused"]
    assert states(bench)[-1] == ("active", "errors", "s")


@pytest.mark.req("B6")
def test_a_pause_for_errors_ends_by_itself_and_without_breakers_there_is_none() -> None:
    """After the cooldown where ``continuous`` is set; a replay has no breakers."""
    market = [candle(row, "100") for row in range(1, 6)]
    said: list[StrategyRecord] = [last_word(1), order(2), order(4), Through(5)]
    bench = run(market, said, cooldown_ms=2 * MINUTE)
    off = Bench(market, {"s": said}, contract="linear", terms=FREE).run()

    assert (bench.denials, [fill.row for fill in bench.fills]) == (["paused"], [5])
    assert (off.denials, [fill.row for fill in off.fills]) == ([], [3, 5])


@pytest.mark.req("B6")
@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_the_row_of_a_last_word_does_not_depend_on_batches(batch: int) -> None:
    """Nor on whether the word comes before or behind the horizon of its row."""
    market = [candle(row, "100") for row in range(1, 7)]
    said: list[StrategyRecord] = [order(1), last_word(2), Through(2), order(3), order(4), Through(6)]
    whole = run(market, said)
    cut = Bench(market, {"s": said}, contract="linear", terms=FREE, limits=Limits())
    moved = True
    while moved:
        before = dict(cut.received)
        for source in cut.received:
            cut.deliver(source, batch)
        moved = cut.turn() or before != cut.received

    assert cut.outputs == whole.outputs
    assert cut.denials == ["paused", "paused"]


def test_in_a_live_market_a_last_word_counts_at_once() -> None:
    """Nobody waits for anybody there."""
    market = [candle(1, "100"), candle(2, "100")]
    bench = Bench(market, {"s": [last_word(1)]}, lockstep=False, limits=Limits()).run()

    assert states(bench) == [("reducing", "errors", "s")]
    assert bench.cursors == {"feed": 2, "s": 1}
