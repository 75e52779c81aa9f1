"""A strategy that takes its time is slow, not hung: between two steps its process says that it lives."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.messages.stream import AccountRole
from protocol.messages.trading import Fill, Through
from tests.workers.strategy.market import Taken, account, candles, made, role
from tests.workers.strategy.test_core import fill
from workers.strategy.api import Candle, Context, Intent, Strategy, StrategyParameters
from workers.strategy.core import STEP_S


class Slow(Strategy):
    """Takes ``seconds`` for everything; ``clock`` is what it takes them from."""

    def __init__(self, seconds: float) -> None:
        super().__init__(StrategyParameters())
        self.seconds, self.now, self.heard = seconds, 0.0, 0

    def clock(self) -> float:
        """Return the time that it has taken so far."""
        return self.now

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        self.now += self.seconds
        return [Intent("enter_long" if candle.close > 1 else "exit")]

    def on_fill(self, context: Context, fill: Fill) -> None:
        self.now += self.seconds
        self.heard += 1


class Deaf(Slow):
    """Hears no fills."""

    on_fill = Strategy.on_fill


def longest(core: Any, strategy: Slow, taken: Taken) -> float:
    """Step until there is nothing to do; return how long the longest step took."""
    times = [0.0]
    while (step := core.step()) is not None:
        taken.add(step)
        times.append(strategy.now - sum(times))
    return max(times)


@pytest.mark.req("S4", "T1")
def test_catching_up_is_done_in_steps_that_are_short() -> None:
    """300 candles at 30 ms each: without a bound, nine seconds without a sign of life, and killed as hung;
    then the same again. What is decided is the same."""
    closes = [n % 3 for n in range(300)]
    slow, quick = Deaf(0.03), Deaf(0.0)
    core, taken, whole = made(slow, clock=slow.clock), Taken(), Taken()
    core.receive("feed", candles(closes))
    other = made(quick, clock=quick.clock)
    other.receive("feed", candles(closes))

    assert STEP_S <= longest(core, slow, taken) < STEP_S + 2 * slow.seconds
    assert 0.0 == longest(other, quick, whole)
    assert whole.decisions == taken.decisions
    assert whole.outputs[-1] == taken.outputs[-1] == Through(301, end=True)


@pytest.mark.req("S4")
def test_fills_are_heard_in_steps_that_are_short() -> None:
    """However many came at once; each is heard, and the row after them."""
    slow = Slow(0.03)
    core = made(slow, clock=slow.clock, inputs=("feed", "broker"))
    core.introduce("feed", role())
    core.introduce("broker", AccountRole())
    core.receive("feed", candles([1, 2]))
    core.receive("broker", account([*(fill(f"f{n}") for n in range(100)), Through(row=3)]))

    assert longest(core, slow, taken := Taken()) < STEP_S + 3 * slow.seconds
    assert (100, {"feed": 3, "broker": 101}) == (slow.heard, taken.cursors)
