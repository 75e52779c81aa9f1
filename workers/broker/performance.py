"""Figures of performance: pure functions of round trips and of the equity series.

Amounts are Decimal, ratios are floats for people. Nothing here decides anything.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

from workers.broker.money import ZERO, exactly

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
YEAR_MS: Final = 365 * DAY_MS
"""Crypto markets never close: a year has 365 days of trading."""
DAILY_FROM_MS: Final = 14 * DAY_MS
"""From this length on returns are counted by day, below it by hour."""

Point = tuple[int, Decimal]
"""Equity at a time (UTC milliseconds)."""


@dataclass(frozen=True)
class Trip:
    """One round trip: what it made after fees and funding, whose it was, and how it ended."""

    strategy: str
    reason: str
    made: Decimal
    fees: Decimal
    funding: Decimal


@dataclass(frozen=True)
class Tally:
    """Round trips, added up.

    ``win_rate``: wins / trades, a trip that made exactly 0 is neither. ``profit_factor``: gross profit /
    gross loss. ``expectancy``: the mean result (Van Tharp, "Trade Your Way to Financial Freedom", 1998: win
    rate x average win - loss rate x average loss). None where there is nothing to divide by.
    """

    trades: int
    wins: int
    losses: int
    made: Decimal
    gross_profit: Decimal
    gross_loss: Decimal
    fees: Decimal
    funding: Decimal

    @property
    def win_rate(self) -> float | None:
        """The part of trades that won."""
        return self.wins / self.trades if self.trades else None

    @property
    def profit_factor(self) -> float | None:
        """How often the losses were earned back."""
        return float(self.gross_profit / self.gross_loss) if self.gross_loss else None

    @property
    def expectancy(self) -> float | None:
        """What a trade made on average."""
        return float(self.made / self.trades) if self.trades else None


@exactly
def tally(trips: Iterable[Trip]) -> Tally:
    """Add up round trips."""
    results = list(trips)
    made = [trip.made for trip in results]
    return Tally(
        trades=len(results),
        wins=sum(one > 0 for one in made),
        losses=sum(one < 0 for one in made),
        made=sum(made, ZERO),
        gross_profit=sum((one for one in made if one > 0), ZERO),
        gross_loss=-sum((one for one in made if one < 0), ZERO),
        fees=sum((trip.fees for trip in results), ZERO),
        funding=sum((trip.funding for trip in results), ZERO),
    )


def max_drawdown(series: Sequence[Point]) -> float | None:
    """Return the deepest fall from a high before it, as a fraction of that high.

    Magdon-Ismail and Atiya, "Maximum Drawdown", Risk 17 (2004). None for an empty series.
    """
    if not series:
        return None
    high, deepest = series[0][1], 0.0
    for _, equity in series:
        high = max(high, equity)
        if high > 0:
            deepest = max(deepest, float((high - equity) / high))
    return deepest


def returns(series: Sequence[Point]) -> tuple[list[float], int]:
    """Return the simple returns from one period to the next, and the period's length.

    Days where the series is at least two weeks long, else hours. A period's value is the last at or before
    its start; periods without a value of their own keep the one before, since nothing moved.
    """
    if len(series) < 2:
        return [], HOUR_MS
    period_ms = DAY_MS if series[-1][0] - series[0][0] >= DAILY_FROM_MS else HOUR_MS
    values = _resampled(series, period_ms)
    return [after / before - 1 for before, after in pairwise(values) if before > 0], period_ms


def sharpe(series: Sequence[Point]) -> float | None:
    """Return the annualised Sharpe ratio of the series, against a riskless rate of 0.

    Mean of the returns over their sample standard deviation, times the root of the periods in a year: William
    F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994). None where nothing varies.
    """
    found, period_ms = returns(series)
    if len(found) < 2 or (spread := statistics.stdev(found)) == 0:
        return None
    return statistics.fmean(found) / spread * math.sqrt(YEAR_MS / period_ms)


def sortino(series: Sequence[Point]) -> float | None:
    """Return the annualised Sortino ratio of the series, with a target return of 0.

    Mean of the returns over the root of the mean squared shortfall, taken over all returns: Frank A. Sortino
    and Lee N. Price, "Performance Measurement in a Downside Risk Framework", Journal of Investing 3 (1994).
    None where nothing fell.
    """
    found, period_ms = returns(series)
    if len(found) < 2:
        return None
    shortfall = math.sqrt(statistics.fmean([min(one, 0.0) ** 2 for one in found]))
    if shortfall == 0:
        return None
    return statistics.fmean(found) / shortfall * math.sqrt(YEAR_MS / period_ms)


def _resampled(series: Sequence[Point], period_ms: int) -> list[float]:
    values: list[float] = []
    edge, latest = series[0][0], float(series[0][1])
    for at_ms, equity in series:
        while edge < at_ms:
            values.append(latest)
            edge += period_ms
        latest = float(equity)
    return [*values, latest]
