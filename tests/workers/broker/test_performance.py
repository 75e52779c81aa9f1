"""Figures of performance against examples worked by hand."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from tests.workers.broker.bench import D
from workers.broker.performance import (
    DAY_MS,
    HOUR_MS,
    Point,
    Trip,
    max_drawdown,
    returns,
    sharpe,
    sortino,
    tally,
)


def trips(*made: str) -> list[Trip]:
    """Return round trips that made these amounts, each with a fee of 1."""
    return [Trip("s", "signal", D(one), D(1), D(0)) for one in made]


def series(*values: str, every_ms: int = HOUR_MS) -> list[Point]:
    """Return equity at even times."""
    return [(nth * every_ms, Decimal(value)) for nth, value in enumerate(values)]


@pytest.mark.req("O6")
def test_trades_added_up_by_hand() -> None:
    """Won 30 and 10, lost 10 and 10, once nothing: 2 of 5 won, 40 / 20, 20 / 5."""
    sums = tally(trips("30", "-10", "10", "-10", "0"))

    assert (sums.trades, sums.wins, sums.losses, sums.made, sums.fees) == (5, 2, 2, D(20), D(5))
    assert (sums.win_rate, sums.profit_factor, sums.expectancy) == (0.4, 2.0, 4.0)


def test_without_trades_or_losses_there_is_nothing_to_divide_by() -> None:
    """None, never infinity."""
    assert tally([]).win_rate is None
    assert tally([]).expectancy is None
    assert tally(trips("5")).profit_factor is None


@pytest.mark.parametrize(
    ("values", "deepest"),
    [(("100", "120", "90", "130", "117"), 0.25), (("100", "110"), 0.0), (("100", "50", "100"), 0.5)],
)
def test_drawdown_is_from_the_high_before(values: tuple[str, ...], deepest: float) -> None:
    """120 to 90 is a quarter of 120."""
    assert max_drawdown(series(*values)) == pytest.approx(deepest)


def test_sharpe_by_hand() -> None:
    """Returns +10 %, -10 %, +10 %: mean 1/30, sample deviation 0.11547; a year has 8760 hours."""
    found = sharpe(series("100", "110", "99", "108.9"))

    assert found == pytest.approx((1 / 30) / math.sqrt(0.0133333333) * math.sqrt(8760), rel=1e-6)


def test_sortino_by_hand() -> None:
    """The same: the shortfall is one of 10 % in three, root of 0.01 / 3."""
    found = sortino(series("100", "110", "99", "108.9"))

    assert found == pytest.approx((1 / 30) / math.sqrt(0.01 / 3) * math.sqrt(8760), rel=1e-6)


def test_a_long_series_counts_days_and_holes_keep_the_value_before() -> None:
    """Hours within a day are not returns of their own; a day without a value is one without a return."""
    hourly = series(*(str(100 + n // 24) for n in range(15 * 24)))
    found, period_ms = returns([point for point in hourly if not 5 * DAY_MS <= point[0] < 6 * DAY_MS])

    assert period_ms == DAY_MS
    assert len(found) == 15
    assert found[0] == pytest.approx(0.01)


@pytest.mark.parametrize("values", [(), ("100",), ("100", "100", "100")])
def test_what_never_moved_has_no_ratio(values: tuple[str, ...]) -> None:
    """None."""
    assert sharpe(series(*values)) is None
    assert sortino(series(*values)) is None
