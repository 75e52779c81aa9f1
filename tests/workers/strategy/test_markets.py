"""One strategy over several markets: one order of rows, whatever arrives first."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from protocol.codec import MARKET
from protocol.messages.market import Candle, End, MarketRecord
from protocol.messages.stream import AccountRole, MarketRole, Record
from protocol.messages.trading import Order, Signal, Through
from tests.workers.strategy.market import MINUTE, Taken, account, candle, made, role
from workers.shared.exits import PersonMustLook
from workers.strategy.api import Context, Intent, Strategy, StrategyParameters
from workers.strategy.core import StrategyCore

A, B, C = "AAA/USDT", "BBB/USDT", "CCC/USDT"


class Pair(Strategy):
    """Remembers in which order it was asked, and trades what the script says."""

    def __init__(self, script: dict[str, list[Intent]] | None = None) -> None:
        super().__init__(StrategyParameters())
        self.script = script or {}
        self.asked: list[str] = []

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        seen = {symbol: [str(it.close) for it in context.of(symbol).history] for symbol in context.symbols}
        self.asked.append(f"{candle.symbol[0]}{candle.close} of {sorted(seen.values())}")
        return self.script.get(f"{candle.symbol[0]}{candle.close}", [])

    def snapshot(self) -> dict[str, Any]:
        return {"asked": self.asked}

    def restore(self, snapshot: dict[str, Any]) -> None:
        self.asked = snapshot["asked"]


def of(symbol: str, *, lockstep: bool = True) -> MarketRole:
    """Return the role of a market."""
    return structs.replace(role(), symbol=symbol, lockstep=lockstep)


def journal(symbol: str, minutes: Sequence[int], *, ends: bool = True) -> list[Record]:
    """Return the candles of a market that close at these minutes, and the end of the recording."""
    bars: list[MarketRecord] = [
        structs.replace(candle(minute - 1, number), symbol=symbol)
        for number, minute in enumerate(minutes, start=1)
    ]
    times = [minute * MINUTE for minute in minutes]
    if ends:
        bars.append(End(on_end="shutdown", at_ms=times[-1] if times else 0))
        times.append(times[-1] if times else 0)
    return [
        Record(seq, at_ms, MARKET.encode(it))
        for seq, (at_ms, it) in enumerate(zip(times, bars, strict=True), 1)
    ]


def core_of(
    strategy: Strategy, *symbols: str, stored: bytes | None = None, lockstep: bool = True
) -> StrategyCore:
    """Return a core that follows these markets, the first one leading; inputs are named by their symbols."""
    core = made(strategy, inputs=symbols, stored=stored)
    for symbol in reversed(symbols):
        core.introduce(symbol, of(symbol, lockstep=lockstep))
    return core


def all_of(core: StrategyCore, taken: Taken | None = None) -> Taken:
    """Step until there is nothing to do."""
    taken = taken or Taken()
    while (step := core.step()) is not None:
        taken.add(step)
    return taken


@pytest.mark.req("T6")
def test_rows_come_by_time_then_symbol() -> None:
    """A row waits for the other market; of one moment the leading row comes last, and its rows count."""
    strategy = Pair({"B2": [Intent("enter_long")], "A2": [Intent("enter_long")], "B3": [Intent("exit")]})
    core = core_of(strategy, A, B)
    core.receive(A, journal(A, [1, 2, 3]))

    taken = all_of(core)
    assert ([], B) == (taken.outputs, core.waiting_for)
    core.receive(B, journal(B, [1, 2, 3]))
    all_of(core, taken)
    assert ["B2", "A2", "B3", "A3"] == [it.split()[0] for it in strategy.asked]
    assert [("B", 2, 1001), ("A", 2, 1), ("B", 3, 1000)] == [
        (it.symbol[0], it.row, it.leg) for it in taken.outputs if isinstance(it, Order)
    ]
    assert Through(4, end=True) == taken.outputs[-1]


@pytest.mark.req("T6")
def test_a_market_whose_candles_are_missing_delays_nobody_in_time_of_the_data() -> None:
    """Its next row says that nothing came before; at its end it is waited for no more."""
    strategy = Pair()
    core = core_of(strategy, B, A)
    core.receive(B, journal(B, [1, 2, 3, 4, 5]))
    core.receive(A, journal(A, [1, 4]))

    taken = all_of(core)
    assert ["B2", "B3", "A2", "B4", "B5"] == [it.split()[0] for it in strategy.asked]
    assert {A: 3, B: 6} == taken.cursors


@pytest.mark.req("T1")
def test_orders_of_the_next_row_never_precede_the_word_that_the_row_before_is_done() -> None:
    """When a step ends between the rows of two markets, the broker still gets them in order."""
    core = core_of(Pair({"B2": [Intent("enter_long")]}), A, B)
    core.receive(A, journal(A, [1, 2], ends=False))
    core.receive(B, journal(B, [1, 2], ends=False))
    taken = all_of(core)

    assert {A: 1, B: 2} == taken.cursors
    rows = [it.row for it in taken.outputs if isinstance(it, Order | Signal | Through)]
    assert [1, 2, 2] == rows


def test_what_comes_after_the_end_of_the_leading_market_is_passed_over() -> None:
    """The run ends with it; the rest is done with and not evaluated."""
    strategy = Pair()
    core = core_of(strategy, A, B)
    core.receive(A, journal(A, [1, 2]))
    core.receive(B, journal(B, [1, 2, 3, 4]))

    assert {A: 3, B: 5} == all_of(core).cursors
    assert not [it for it in strategy.asked if it.startswith(("B3", "B4"))]


@pytest.mark.req("T6")
def test_a_signal_may_be_for_another_symbol_that_is_followed() -> None:
    """Decided on one market's candle, traded in the other at the price last seen there."""
    strategy = Pair({"A2": [Intent("enter_short", symbol=B)], "A3": [Intent("exit", symbol="CCC")]})
    core = core_of(strategy, A, B)
    core.receive(A, journal(A, [2, 3, 4]))
    core.receive(B, journal(B, [1, 2, 3, 4]))
    taken = all_of(core)
    (order,) = [it for it in taken.outputs if isinstance(it, Order)]
    (failed,) = taken.named("strategy failed")

    assert (B, "sell", Decimal(3), 2) == (order.symbol, order.side, order.decided_price, order.row)
    assert "'CCC' is not followed" in failed.facts["error"]


@pytest.mark.req("T6")
def test_live_markets_wait_for_nobody() -> None:
    """What came is evaluated, whatever the other feed does."""
    strategy = Pair()
    core = core_of(strategy, A, B, lockstep=False)
    core.receive(A, journal(A, [1, 2, 3], ends=False))
    taken = all_of(core)

    assert ["A2", "A3"] == [it.split()[0] for it in strategy.asked]
    assert [Through(3)] == taken.outputs


@pytest.mark.req("T6", "X2")
def test_rows_of_another_market_wait_for_the_fills_of_the_row_they_belong_to() -> None:
    """Else what it knows of its position at them would depend on who was faster."""
    strategy = Pair()
    core = made(strategy, inputs=(A, B, "broker"))
    for symbol in (A, B):
        core.introduce(symbol, of(symbol))
    core.introduce("broker", AccountRole())
    for symbol in (A, B):
        core.receive(symbol, journal(symbol, [1, 2, 3], ends=False))
    said = account([Through(1), Through(2), Through(3)])

    asked = []
    for news in said:
        core.receive("broker", [news])
        all_of(core)
        asked.append([it.split()[0] for it in strategy.asked])
    assert [[], ["B2", "A2"], ["B2", "A2", "B3"]] == asked


@pytest.mark.parametrize("lead", [A, B])
def test_trades_of_one_moment_in_two_markets_do_not_lock(lead: str) -> None:
    """Each row of a tape is told as done before the next one of the same moment is wanted."""
    strategy = Pair()
    core = made(strategy, inputs=(lead, B if lead == A else A, "broker"))
    for symbol in (A, B):
        core.introduce(symbol, of(symbol))
    core.introduce("broker", AccountRole())
    tape = [structs.replace(candle(1, n + 1), symbol=A, nth=n) for n in range(4)]
    for symbol in (A, B):
        rows: list[MarketRecord] = [structs.replace(it, symbol=symbol) for it in tape]
        rows.append(End(on_end="idle", at_ms=MINUTE))
        core.receive(symbol, [Record(seq, MINUTE, MARKET.encode(it)) for seq, it in enumerate(rows, 1)])

    told: list[int] = []
    for row in range(1, 6):
        core.receive("broker", [structs.replace(it, seq=row) for it in account([Through(row)])])
        told += [it.row for it in all_of(core).outputs if isinstance(it, Through)]
    assert [1, 2, 3, 4, 5] == told


@pytest.mark.parametrize(
    ("source", "kind", "told"),
    [("feed2", of(A), "as 'feed1' does of AAA/USDT"), ("feed3", of(C), "which it cannot use")],
)
def test_two_feeds_of_one_symbol_are_a_mistake(source: str, kind: MarketRole, told: str) -> None:
    """And so is an input that the tree file does not name."""
    core = made(Pair(), inputs=("feed1", "feed2"))
    core.introduce("feed1", of(A))

    with pytest.raises(PersonMustLook, match=told):
        core.introduce(source, kind)


def test_without_a_market_there_is_nothing_to_follow() -> None:
    """A broker alone is no input."""
    core = made(Pair(), inputs=("broker",))

    with pytest.raises(PersonMustLook, match="no other input is a market"):
        core.introduce("broker", AccountRole())


MINUTES = st.lists(st.integers(1, 25), min_size=1, max_size=12, unique=True).map(sorted)
Move = Literal["A", "B", "C", "step", "kill"]


@pytest.mark.req("T1", "T6")
@settings(max_examples=80)
@given(MINUTES, MINUTES, MINUTES, st.lists(st.sampled_from(["A", "B", "C", "step", "kill"]), max_size=60))
def test_batches_arrivals_and_kills_change_nothing(
    first: list[int], second: list[int], third: list[int], moves: list[Move]
) -> None:
    """Whatever comes first and whenever it is killed: asked in the same order, the same signals and rows."""
    journals = {A: journal(A, first), B: journal(B, second), C: journal(C, third)}
    script = {f"{s}{n}": [Intent("enter_long" if n % 2 else "exit")] for s in "ABC" for n in range(13)}
    quiet = Pair(script)
    whole = core_of(quiet, B, A, C)
    for symbol, records in journals.items():
        whole.receive(symbol, records)
    expected = all_of(whole)

    strategy, taken = Pair(script), Taken()
    core, given_to = core_of(strategy, B, A, C), dict.fromkeys(journals, 0)
    for move in [*moves, *("ABC" * 30)]:
        if move == "kill":
            strategy = Pair(script)
            core = core_of(strategy, B, A, C, stored=taken.state)
            given_to = {symbol: taken.cursors.get(symbol, 0) for symbol in journals}
        elif move == "step":
            all_of(core, taken)
        else:
            symbol = next(it for it in journals if it.startswith(move))
            at = given_to[symbol]
            core.receive(symbol, journals[symbol][at : at + 1])
            given_to[symbol] = min(at + 1, len(journals[symbol]))
    all_of(core, taken)

    assert quiet.asked == strategy.asked
    assert expected.decisions == taken.decisions
    assert expected.cursors == taken.cursors
    assert [it.row for it in taken.outputs if isinstance(it, Signal | Through)] == sorted(
        it.row for it in taken.outputs if isinstance(it, Signal | Through)
    )
