"""A price for every instant, from a seed: pure, so that the past can be asked for like the present.

The logarithm of the price is a sum of value noise over periods from seconds to weeks, each about as large as
a random walk would wander in that time. Calm and wild weeks come from a slow noise that scales the fast ones;
jumps and gaps from noise without interpolation, which changes its value at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

START_PRICE: Final = 30_000.0
TICK: Final = Decimal("0.01")
STEP: Final = Decimal("0.0001")
VOLATILITY: Final = 0.00004
"""Of one second, relative to the price."""
PERIODS_S: Final = tuple(4.0**n for n in range(12))
"""From a second to seven weeks."""
REGIME_S: Final = 6 * 3600.0
JUMP_S: Final = 1800.0
JUMP: Final = 0.004
QUIET_SHARE: Final = 0.002
"""How many of all minutes have no trades at all."""
MINUTE_MS: Final = 60_000
TRADE_EVERY_MS: Final = 2000
_MASK: Final = 2**64 - 1


@dataclass(frozen=True)
class SimulatedTrade:
    """One trade; ``number`` is its id, without a hole from the epoch on."""

    number: int
    at_ms: int
    price: Decimal
    amount: Decimal
    buy: bool


@dataclass(frozen=True)
class SimulatedCandle:
    """What the trades of a minute amount to."""

    open_ms: int
    prices: tuple[Decimal, Decimal, Decimal, Decimal]
    volume: Decimal


class SimulatedMarket:
    """The market of ``seed``."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def price(self, at_ms: int) -> Decimal:
        """Return the price at an instant."""
        seconds = at_ms / 1000
        wildness = math.exp(1.2 * self._smooth(99, seconds / REGIME_S))
        total = sum(
            self._smooth(n, seconds / period) * VOLATILITY * math.sqrt(period) * wildness
            for n, period in enumerate(PERIODS_S)
        )
        jump = self._value(77, int(seconds // JUMP_S)) ** 9 * JUMP * 4
        return Decimal(START_PRICE * math.exp(total + jump)).quantize(TICK)

    def spread(self, at_ms: int) -> Decimal:
        """Return the distance between bid and ask."""
        return TICK * (1 + int(abs(self._value(55, at_ms // 1000)) * 8))

    def trade(self, number: int) -> SimulatedTrade | None:
        """Return a trade by its number; None in a minute without trades."""
        at_ms = number * TRADE_EVERY_MS + int((self._value(33, number) + 1) * TRADE_EVERY_MS * 0.49)
        if self.quiet(at_ms):
            return None
        size = Decimal(0.05 * (1 + self._value(44, number)) ** 2 + 0.0001).quantize(STEP)
        return SimulatedTrade(number, at_ms, self.price(at_ms), size, self._value(66, number) > 0)

    def trades(self, after_ms: int, through_ms: int) -> tuple[SimulatedTrade, ...]:
        """Return the trades later than ``after_ms`` and not later than ``through_ms``, in order."""
        numbers = range(max(after_ms // TRADE_EVERY_MS - 1, 0), through_ms // TRADE_EVERY_MS + 1)
        found = (self.trade(number) for number in numbers)
        return tuple(it for it in found if it is not None and after_ms < it.at_ms <= through_ms)

    def candle(self, open_ms: int, through_ms: int) -> SimulatedCandle | None:
        """Return the candle of a minute as far as it is known; None without trades."""
        trades = self.trades(open_ms - 1, min(through_ms, open_ms + MINUTE_MS - 1))
        if not trades:
            return None
        prices = [trade.price for trade in trades]
        volume = sum((trade.amount for trade in trades), Decimal(0))
        return SimulatedCandle(open_ms, (prices[0], max(prices), min(prices), prices[-1]), volume)

    def quiet(self, at_ms: int) -> bool:
        """Whether nothing trades in this minute."""
        return self._value(88, at_ms // MINUTE_MS) > 1 - 2 * QUIET_SHARE

    def _smooth(self, lane: int, at: float) -> float:
        left = math.floor(at)
        share = at - left
        weight = share * share * (3 - 2 * share)
        return self._value(lane, left) * (1 - weight) + self._value(lane, left + 1) * weight

    def _value(self, lane: int, index: int) -> float:
        """Return a number in [-1, 1] that looks like chance; splitmix64 (Steele, Lea, Flood 2014)."""
        x = (self._seed * 0x9E3779B97F4A7C15 + lane * 0xD1B54A32D192ED03 + index) & _MASK
        x = (x + 0x9E3779B97F4A7C15) & _MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((x ^ (x >> 31)) / _MASK) * 2 - 1
