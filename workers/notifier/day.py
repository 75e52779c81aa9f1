"""A day of trading in figures and in a line of text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from protocol.messages.trading import TradeClosed

BARS: Final = "▁▂▃▄▅▆▇█"
WIDTH: Final = 24
"""How many bars a sparkline has at most: an hour each of a day."""


class Tally(Struct):
    """What was counted since ``since_ms``; ``profit`` is after fees and funding, ``fees`` of all fills."""

    since_ms: int = 0
    trades: int = 0
    fills: int = 0
    wins: int = 0
    profit: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    restarts: int = 0
    warnings: int = 0

    def count(self, closed: TradeClosed) -> None:
        """Note a round trip."""
        self.trades += 1
        self.wins += closed.realised > 0
        self.profit += closed.realised

    @property
    def win_rate(self) -> Decimal | None:
        """The part of the trades that made a profit; None without trades."""
        return Decimal(self.wins) / self.trades if self.trades else None


def largest_drawdown(equity: Sequence[Decimal]) -> Decimal:
    """Return the largest fall from a peak as a fraction of that peak; 0 without one."""
    worst, peak = Decimal(0), None
    for value in equity:
        peak = value if peak is None or value > peak else peak
        if peak > 0:
            worst = max(worst, (peak - value) / peak)
    return worst


def sparkline(values: Sequence[Decimal]) -> str:
    """Draw the course of ``values`` in at most ``WIDTH`` bars, each the last value of its part."""
    if len(values) < 2:
        return ""
    parts = min(WIDTH, len(values))
    shown = [values[(part + 1) * len(values) // parts - 1] for part in range(parts)]
    low, high = min(shown), max(shown)
    if low == high:
        return BARS[0] * parts
    return "".join(BARS[int((value - low) / (high - low) * (len(BARS) - 1))] for value in shown)
