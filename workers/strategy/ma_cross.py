"""Moving-average cross: long when the fast average rises above the slow one, short (or out) below it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta

from protocol.messages.market import Candle
from workers.strategy.api import Context, Intent, Strategy, StrategyParameters
from workers.strategy.indicators import RollingSum

FULL_CONFIDENCE_AT: Final = Decimal("0.001")
"""Averages this share apart count as a sure cross."""


class MaCrossParameters(StrategyParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``fast`` and ``slow`` are lengths in candles, fast below slow."""

    fast: Annotated[int, Meta(ge=1, le=999)] = 5
    slow: Annotated[int, Meta(ge=2, le=1000)] = 20

    def __post_init__(self) -> None:
        """Raise ValueError when the averages cannot cross."""
        super(MaCrossParameters, self).__post_init__()  # noqa: UP008 - msgspec re-creates the class
        if self.fast >= self.slow:
            raise ValueError(f"fast must be below slow, found fast = {self.fast} and slow = {self.slow}")


class MaCross(Strategy):
    """Acts on a change of side only; averages that touch without crossing change nothing."""

    Parameters: ClassVar[type[StrategyParameters]] = MaCrossParameters
    parameters: MaCrossParameters

    def __init__(self, parameters: MaCrossParameters) -> None:
        super().__init__(parameters)
        self._sides: dict[str, int] = {}
        self._averages: dict[str, _Averages] = {}

    @property
    def warmup(self) -> int:
        """The length of the slow average."""
        return self.parameters.slow

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        """Compare the averages of the closes up to this candle."""
        averages = self._averages.get(context.symbol)
        if averages is None:
            averages = self._averages[context.symbol] = _Averages(self.parameters, context.history[:-1])
        averages.add(candle)
        side, before = averages.side, self._sides.get(context.symbol, 0)
        if not side or side == before:
            return []
        self._sides[context.symbol] = side
        return [averages.intent()] if before else []

    def snapshot(self) -> dict[str, Any]:
        """Return the side on which the fast average was last, of each symbol."""
        return {"sides": self._sides}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the sides back; the averages follow from the history."""
        self._sides = {str(symbol): int(side) for symbol, side in snapshot["sides"].items()}


class _Averages:
    def __init__(self, parameters: MaCrossParameters, history: Iterable[Candle]) -> None:
        self._fast, self._slow = RollingSum(parameters.fast), RollingSum(parameters.slow)
        for candle in history:
            self.add(candle)

    def add(self, candle: Candle) -> None:
        self._fast.add(candle.close)
        self._slow.add(candle.close)

    @property
    def side(self) -> int:
        # Sums are compared crosswise, for a quotient may be rounded.
        fast, slow = self._fast.total * self._slow.length, self._slow.total * self._fast.length
        return (fast > slow) - (fast < slow)

    def intent(self) -> Intent:
        fast, slow = self._fast.total / self._fast.length, self._slow.total / self._slow.length
        confidence = min(abs(fast - slow) / slow / FULL_CONFIDENCE_AT, Decimal(1)).quantize(Decimal("0.0001"))
        direction = "above" if fast > slow else "below"
        reason = f"fast average {fast:.8g} crossed {direction} slow {slow:.8g}"
        return Intent("enter_long" if fast > slow else "enter_short", confidence, (reason,))
