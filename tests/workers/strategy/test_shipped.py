"""The shipped strategies: what they act on, bounds of parameters, and restarts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from protocol.codec import MARKET
from protocol.messages.market import Candle, Instrument
from protocol.messages.stream import Record
from protocol.messages.trading import Order, Signal
from tests.workers.strategy.market import Taken, candle, candles, drive, made, market
from workers.feed.config import FeedConfig
from workers.feed.recording import load as load_recording
from workers.shared.config import decode
from workers.shared.exits import PersonMustLook
from workers.strategy.api import Context, Strategy
from workers.strategy.donchian import DonchianParameters
from workers.strategy.example import Example, ExampleParameters
from workers.strategy.loading import SHIPPED, load
from workers.strategy.rsi_reversal import RsiReversalParameters

BUNDLED: Final = Path(__file__).parents[3] / "workers/demo/btc-perp_1m_2022-01-09.csv.gz"
ROWS: Final = 1500
NAMES: Final = sorted({*SHIPPED, "example"} - {"remote"})
"""Those that decide by themselves."""


@pytest.fixture(scope="module")
def recording() -> tuple[Record, ...]:
    """Read a day of real minutes."""
    keys = {"file": str(BUNDLED), "time": "close", "volume": "quote", "symbol": "BTC/USDT"}
    return load_recording(BUNDLED, decode(keys, FeedConfig, "feed")).read(0, ROWS)


def shipped(name: str, **parameters: Any) -> Strategy:
    """Make one of the strategies by name."""
    if name == "example":
        return Example(ExampleParameters(**parameters))
    return load(name, parameters, child="strategy", folder=Path("/nowhere"))


@pytest.mark.req("T1", "T6", "T7")
@pytest.mark.parametrize("name", NAMES)
def test_killed_at_fifty_candles_it_says_the_same(name: str, recording: tuple[Record, ...]) -> None:
    """Restored from its last commit after each of 50 kills: the same signals, orders and counters, all of
    them."""
    whole_core = made(shipped(name))
    whole = drive(whole_core, recording)
    core, taken = made(shipped(name)), Taken()
    for kill in sorted(Random(5).sample(range(1, ROWS), 50)):
        drive(core, recording[taken.cursors.get("feed", 0) : kill], taken)
        core = made(shipped(name), stored=taken.state)
    drive(core, recording[taken.cursors["feed"] :], taken)

    assert whole.decisions == taken.decisions
    assert whole_core.counters() == core.counters()
    assert sum(isinstance(it, Signal) for it in taken.outputs) > 20


PRICES = st.lists(st.integers(90, 110), min_size=1, max_size=50)


def said(strategy: Strategy, bars: list[Candle]) -> list[tuple[int, str]]:
    """Return the actions of the signals by candle, in a market where positions follow orders at once."""
    taken = drive(made(strategy), market(bars))
    return [(it.row - 1, it.action) for it in taken.outputs if isinstance(it, Signal)]


@pytest.mark.req("T6")
@given(PRICES, st.integers(2, 5), st.integers(1, 5))
def test_donchian_agrees_with_its_definition(closes: list[int], entry: int, leave: int) -> None:
    """It enters at the first close beyond the channel before it, and leaves by the shorter channel."""
    leave = min(entry, leave)
    bars = [
        structs.replace(candle(n, close), high=Decimal(close + n % 3), low=Decimal(close - n % 2))
        for n, close in enumerate(closes)
    ]

    def outside(at: int, length: int) -> int:
        channel = bars[at - length : at]
        close = bars[at].close
        return (close > max(b.high for b in channel)) - (close < min(b.low for b in channel))

    expected, stance = [], 0
    for at in range(entry + 1, len(bars)):
        side = outside(at, entry)
        if side and side != outside(at - 1, entry):
            expected.append((at, "enter_long" if side > 0 else "enter_short"))
            stance = side
        elif stance and outside(at, leave) == -stance:
            expected.append((at, "exit"))
            stance = 0
    assert expected == said(shipped("donchian", entry=entry, exit=leave), bars)


@pytest.mark.req("T6")
def test_rsi_enters_when_it_comes_back_and_leaves_in_the_middle() -> None:
    """A long fall, a turn, a rise: bought once on the way back, sold in the middle; the mirror for a rise."""
    fall = [200 - n for n in range(25)] + [176 + 2 * n for n in range(8)]
    rise = [200 + n for n in range(25)] + [224 - 2 * n for n in range(8)]

    assert ["enter_long", "exit"] == [action for _, action in _turn(fall)][:2]
    assert ["enter_short", "exit"] == [action for _, action in _turn(rise)][:2]


def _turn(closes: list[int]) -> list[tuple[int, str]]:
    return said(shipped("rsi_reversal", length=2), [candle(n, close) for n, close in enumerate(closes)])


@pytest.mark.req("T6")
@pytest.mark.parametrize(
    ("kind", "parameters", "told"),
    [
        (DonchianParameters, {"entry": 1}, "strategy.config.parameters.entry: found 1"),
        (DonchianParameters, {"entry": 5, "exit": 6}, "exit must not be above entry, found 6 and 5"),
        (DonchianParameters, {"entri": 5}, "did you mean 'entry'?"),
        (RsiReversalParameters, {"length": 201}, "strategy.config.parameters.length: found 201"),
        (RsiReversalParameters, {"oversold": 60}, "0 < oversold < middle < overbought < 100"),
        (RsiReversalParameters, {"overbought": 100}, "0 < oversold < middle < overbought < 100"),
        (RsiReversalParameters, {"overbought": "NaN"}, "0 < oversold < middle < overbought < 100"),
        (ExampleParameters, {"lookback": 1}, "strategy.config.parameters.lookback: found 1"),
    ],
)
def test_parameters_have_types_and_bounds(kind: Any, parameters: dict[str, object], told: str) -> None:
    """A wrong parameter is one sentence that names it."""
    with pytest.raises(PersonMustLook) as caught:
        decode(parameters, kind, "strategy", section="config.parameters")

    assert told in str(caught.value)


@pytest.mark.req("T6")
@pytest.mark.parametrize("name", NAMES)
def test_symbols_do_not_disturb_each_other(name: str, recording: tuple[Record, ...]) -> None:
    """Asked about two markets in turn, it says of each what it says of that one alone."""
    alone, both = shipped(name), shipped(name)
    bars = _candles(recording[:600])
    for number in range(both.warmup, len(bars)):
        for symbol in ("BTC/USDT", "ETH/USDT"):
            seen = [structs.replace(bar, symbol=symbol) for bar in bars[number - both.warmup : number]]
            told = both.on_candle(_context(symbol, seen), seen[-1])
            if symbol == "BTC/USDT":
                expected = alone.on_candle(_context(symbol, seen), seen[-1])
            assert list(expected) == list(told)


def _context(symbol: str, seen: list[Candle]) -> Context:
    return Context(symbol, "1m", Instrument(), seen)


def _candles(records: tuple[Record, ...]) -> list[Candle]:
    messages = [MARKET.decode(record.body) for record in records]
    return [message for message in messages if isinstance(message, Candle)]


def test_an_order_names_the_price_that_was_seen(recording: tuple[Record, ...]) -> None:
    """The close of the candle that decided."""
    taken = drive(made(shipped("donchian")), recording[:200])
    closes = {bar.open_ms: bar.close for bar in _candles(recording[:200])}
    orders = [it for it in taken.outputs if isinstance(it, Order)]

    assert orders
    assert all(order.decided_price == closes[order.decided_ms - 60_000] for order in orders)


@pytest.mark.req("T5")
@pytest.mark.parametrize(
    ("strategy", "closes", "told"),
    [
        (
            shipped("ma_cross", fast=1, slow=2),
            ["100", "99", "99.01", "98"],
            [
                ("enter_long", "0.0505", "fast average 99.01 crossed above slow 99.005"),
                ("enter_short", "1", "fast average 98.00 crossed below slow 98.505"),
            ],
        ),
        (
            shipped("donchian", entry=2, exit=2),
            ["100", "110", "105", "110.2", "104.9"],
            [
                ("enter_long", "0.4", "close 110.2 above the channel from 105 to 110"),
                ("enter_short", "0.1923", "close 104.9 below the channel from 105 to 110.2"),
            ],
        ),
        (
            shipped("rsi_reversal", length=2, oversold="30", middle="50", overbought="70"),
            [*map(str, range(100, 80, -1)), "81.25", "82.125", "83.125", "82.125"],
            [
                ("enter_long", "0.5", "RSI 66.67 came back above 30"),
                ("exit", "1", "RSI 85.71 reached the middle"),
                ("enter_short", "0.7857", "RSI 40.00 came back below 70"),
            ],
        ),
    ],
    ids=["ma_cross", "donchian", "rsi_reversal"],
)
def test_a_signal_says_how_sure_it_is_and_why(
    strategy: Strategy, closes: list[str], told: list[tuple[str, str, str]]
) -> None:
    """The share of what counts as certain, and the figures that were compared."""
    taken = drive(made(strategy), candles(closes))
    found = [it for it in taken.outputs if isinstance(it, Signal)]

    assert told == [(it.action, str(it.confidence.normalize()), *it.reasons) for it in found]
