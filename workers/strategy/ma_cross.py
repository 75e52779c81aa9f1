"""Moving-average cross: long when the fast average rises above the slow one, short (or out) below it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta

from protocol.messages.market import Candle
from workers.strategy.api import Context, Intent, Strategy, StrategyParameters

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
        self._side = 0

    @property
    def warmup(self) -> int:
        """The length of the slow average."""
        return self.parameters.slow

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        """Compare the averages of the closes up to this candle."""
        fast, slow = self.parameters.fast, self.parameters.slow
        closes = [past.close for past in context.history[-slow:]]
        fast_sum, slow_sum = sum(closes[-fast:], Decimal(0)), sum(closes, Decimal(0))
        # Sums are compared crosswise, for a quotient may be rounded.
        side = (fast_sum * slow > slow_sum * fast) - (fast_sum * slow < slow_sum * fast)
        crossed = side != 0 and self._side not in (0, side)
        self._side = side or self._side
        return [_intent(side, fast_sum / fast, slow_sum / slow)] if crossed else []

    def snapshot(self) -> dict[str, Any]:
        """Return the side on which the fast average was last."""
        return {"side": self._side}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the side back."""
        self._side = int(snapshot["side"])


def _intent(side: int, fast: Decimal, slow: Decimal) -> Intent:
    distance = abs(fast - slow) / slow
    confidence = min(distance / FULL_CONFIDENCE_AT, Decimal(1)).quantize(Decimal("0.0001"))
    direction = "above" if side > 0 else "below"
    reason = f"fast average {fast:.8g} crossed {direction} slow {slow:.8g}"
    return Intent("enter_long" if side > 0 else "enter_short", confidence, (reason,))
