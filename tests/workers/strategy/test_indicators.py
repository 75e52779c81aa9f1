"""Incremental indicators against their definitions."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.strategy.indicators import RollingExtreme, RollingSum, Strength, strength_of

PRICES = st.lists(st.decimals("0.0001", "99999", places=4), min_size=1, max_size=60)


@given(PRICES, st.integers(1, 12))
def test_sum_of_the_last(prices: list[Decimal], length: int) -> None:
    """To the last digit, however long it rolls."""
    rolling = RollingSum(length)

    for end, price in enumerate(prices, start=1):
        assert sum(prices[max(end - length, 0) : end], Decimal(0)) == rolling.add(price)


@given(PRICES, st.integers(1, 12), st.sampled_from(["highest", "lowest"]))
def test_extreme_of_the_last(prices: list[Decimal], length: int, kind: Literal["highest", "lowest"]) -> None:
    """The maximum or minimum of the window, at each value."""
    rolling, best = RollingExtreme(length, kind), max if kind == "highest" else min

    for end, price in enumerate(prices, start=1):
        rolling.add(price)
        assert best(prices[max(end - length, 0) : end]) == rolling.value


def wilder(closes: list[Decimal], length: int) -> Decimal | None:
    """Compute the index from its definition, over the whole past."""
    changes = [after - before for before, after in pairwise(closes)]
    if len(changes) < length:
        return None
    gain = sum((max(change, Decimal(0)) for change in changes[:length]), Decimal(0)) / length
    loss = sum((max(-change, Decimal(0)) for change in changes[:length]), Decimal(0)) / length
    for change in changes[length:]:
        gain = (gain * (length - 1) + max(change, Decimal(0))) / length
        loss = (loss * (length - 1) + max(-change, Decimal(0))) / length
    return 100 - 100 / (1 + gain / loss) if loss else Decimal(100) if gain else Decimal(50)


@given(PRICES, st.integers(2, 10))
def test_strength_agrees_with_wilders_definition(prices: list[Decimal], length: int) -> None:
    """At each close, to within the rounding of 28 digits; None before there are enough."""
    index = Strength(length)

    for end, price in enumerate(prices, start=1):
        found, expected = index.add(price), wilder(prices[:end], length)
        assert (found is None) == (expected is None)
        assert found is None or expected is None or abs(found - expected) < Decimal("1e-20")


def test_strength_of_wilders_kind_on_known_data() -> None:
    """The textbook series: 14 changes, then smoothing."""
    closes = [
        "44.34",
        "44.09",
        "44.15",
        "43.61",
        "44.33",
        "44.83",
        "45.10",
        "45.42",
        "45.84",
        "46.08",
        "45.89",
        "46.03",
        "45.61",
        "46.28",
        "46.28",
    ]
    value = strength_of(map(Decimal, closes), 14).value

    assert value is not None
    assert pytest.approx(70.46, abs=0.01) == float(value)
