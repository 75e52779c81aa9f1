"""The moving-average cross."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.messages.market import Instrument
from tests.workers.strategy.market import candle
from workers.shared.config import decode
from workers.shared.exits import PersonMustLook
from workers.strategy.api import Context
from workers.strategy.ma_cross import MaCross, MaCrossParameters


def actions(closes: list[int], parameters: MaCrossParameters) -> list[tuple[int, str]]:
    strategy = MaCross(parameters)
    found: list[tuple[int, str]] = []
    history = [candle(index, close) for index, close in enumerate(closes)]
    for end in range(strategy.warmup, len(history) + 1):
        seen = history[end - strategy.warmup : end]
        context = Context("BTC/USDT", "1m", Instrument(), seen)
        found += [(end - 1, intent.action) for intent in strategy.on_candle(context, seen[-1])]
    return found


def test_defaults() -> None:
    """Without parameters: 5 against 20 candles, a twentieth of equity."""
    parameters = MaCrossParameters()

    assert (5, 20, Decimal("0.05")) == (parameters.fast, parameters.slow, parameters.size)
    assert 20 == MaCross(parameters).warmup


def test_touch_is_no_cross() -> None:
    """Averages that meet and part again on the same side change nothing."""
    assert [] == actions([10, 12, 12, 13, 13, 14], MaCrossParameters(fast=1, slow=2))


@pytest.mark.req("T6")
@given(st.lists(st.integers(90, 110), max_size=60), st.integers(1, 4), st.integers(1, 6))
def test_agrees_with_the_definition(closes: list[int], fast: int, more: int) -> None:
    """It enters where the sign of fast minus slow differs from the last sign that was not zero."""
    slow = fast + more
    expected, last = [], 0
    for end in range(slow, len(closes) + 1):
        difference = sum(closes[end - fast : end]) * slow - sum(closes[end - slow : end]) * fast
        sign = (difference > 0) - (difference < 0)
        if sign and last and sign != last:
            expected.append((end - 1, "enter_long" if sign > 0 else "enter_short"))
        last = sign or last

    assert expected == actions(closes, MaCrossParameters(fast=fast, slow=slow))


@pytest.mark.req("T6")
@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"fast": 0}, "strategy.config.parameters.fast: found 0"),
        ({"fast": "5"}, "expected `int`, got `str`"),
        ({"slow": 100_000}, "strategy.config.parameters.slow"),
        ({"fast": 20, "slow": 20}, "fast must be below slow"),
        ({"size": 0}, "size must be a finite number above 0"),
        ({"size": "1.5"}, "at most 1"),
        ({"size": "much"}, "nvalid decimal"),
        ({"fats": 5}, "did you mean 'fast'?"),
    ],
)
def test_parameters_have_types_and_bounds(parameters: dict[str, object], told: str) -> None:
    """A wrong parameter is one sentence that names it."""
    with pytest.raises(PersonMustLook) as caught:
        decode(parameters, MaCrossParameters, "strategy", section="config.parameters")

    assert told in str(caught.value)
