"""Rounding happens where it is named, and nowhere else."""

from __future__ import annotations

from decimal import Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.broker.money import ceil_to, exactly, floor_to, share, text

D = Decimal
amounts = st.decimals("-1e6", "1e6", places=10)
grids = st.sampled_from([D("0.01"), D("0.5"), D("0.3"), D("1e-8"), D(25)])


@given(amounts, grids)
def test_a_grid_brackets_the_value(value: Decimal, grid: Decimal) -> None:
    """Down and up are multiples of the grid, at most one step apart, around the value."""
    low, high = floor_to(value, grid), ceil_to(value, grid)

    assert low <= value <= high
    assert high - low in (0, grid)
    assert low % grid == 0


@given(amounts, st.decimals("0.00000001", "1", places=8), st.decimals("0.00000001", "9", places=8))
def test_shares_add_up(amount: Decimal, part: Decimal, more: Decimal) -> None:
    """A share and what is left of the amount are the amount."""
    taken = share(amount, part, part + more)

    assert abs(taken) <= abs(amount)
    assert share(amount, part, part) == amount


def test_a_lost_digit_is_an_error() -> None:
    """An inexact result inside the books raises instead of rounding."""
    with pytest.raises(Inexact):
        exactly(lambda: D(1) / D(3))()


@pytest.mark.parametrize(
    ("value", "plain"), [("1.500", "1.5"), ("0E-8", "0"), ("-0.0", "0"), ("1E+3", "1000"), ("100", "100")]
)
def test_amounts_are_written_in_plain_digits(value: str, plain: str) -> None:
    """No exponent, no trailing zeros, no negative zero."""
    assert text(D(value)) == plain
