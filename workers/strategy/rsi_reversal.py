"""RSI reversal: enters when the index comes back from an extreme, exits when it has reached the middle."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from protocol.messages.market import Candle
from workers.strategy.api import Context, Intent, Strategy, StrategyParameters
from workers.strategy.indicators import Strength, strength_of

SETTLED: Final = 10
"""After so many times its length the beginning weighs less than 0.005 % in the index."""
FULL_CONFIDENCE_AT: Final = Decimal(20)
"""Points beyond the level, before it came back, that count as sure."""


class RsiReversalParameters(StrategyParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``length`` of the index in candles; ``oversold`` < ``middle`` < ``overbought``, from 0 to 100."""

    length: Annotated[int, Meta(ge=2, le=200)] = 14
    oversold: Decimal = Decimal(30)
    middle: Decimal = Decimal(50)
    overbought: Decimal = Decimal(70)

    def __post_init__(self) -> None:
        """Raise ValueError when the levels are not in their order."""
        super(RsiReversalParameters, self).__post_init__()  # noqa: UP008 - msgspec re-creates the class
        levels = (self.oversold, self.middle, self.overbought)
        known = all(level.is_finite() for level in levels)
        if not (known and 0 < self.oversold < self.middle < self.overbought < 100):
            told = ", ".join(map(str, levels))
            raise ValueError(f"0 < oversold < middle < overbought < 100 is needed, found {told}")


class RsiReversal(Strategy):
    """Buys when the index rises through ``oversold`` and sells when it falls through ``overbought``."""

    Parameters: ClassVar[type[StrategyParameters]] = RsiReversalParameters
    parameters: RsiReversalParameters

    def __init__(self, parameters: RsiReversalParameters) -> None:
        super().__init__(parameters)
        self._indexes: dict[str, Strength] = {}

    @property
    def warmup(self) -> int:
        """So long that the beginning of the history no longer matters."""
        return self.parameters.length * SETTLED

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        """Compare the index with its levels, at this close and at the one before."""
        index = self._indexes.get(context.symbol)
        if index is None:
            closes = (past.close for past in context.history[:-1])
            index = self._indexes[context.symbol] = strength_of(closes, self.parameters.length)
        before, now = index.value, index.add(candle.close)
        return [] if before is None or now is None else self._said(before, now, context)

    def _said(self, before: Decimal, now: Decimal, context: Context) -> list[Intent]:
        parameters, direction = self.parameters, context.position.direction
        if before < parameters.oversold <= now:
            reason = f"RSI {now:.2f} came back above {parameters.oversold}"
            return [Intent("enter_long", _confidence(parameters.oversold - before), (reason,))]
        if before > parameters.overbought >= now:
            reason = f"RSI {now:.2f} came back below {parameters.overbought}"
            return [Intent("enter_short", _confidence(before - parameters.overbought), (reason,))]
        if (direction == "long" and now >= parameters.middle) or (
            direction == "short" and now <= parameters.middle
        ):
            return [Intent("exit", reasons=(f"RSI {now:.2f} reached the middle",))]
        return []

    def snapshot(self) -> dict[str, Any]:
        """Return the averages of each symbol, to the last digit."""
        return {symbol: msgspec.to_builtins(index) for symbol, index in self._indexes.items()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the averages back; those of another length are forgotten."""
        found = {symbol: msgspec.convert(kept, Strength) for symbol, kept in snapshot.items()}
        self._indexes = {s: index for s, index in found.items() if index.length == self.parameters.length}


def _confidence(beyond: Decimal) -> Decimal:
    return min(beyond / FULL_CONFIDENCE_AT, Decimal(1)).quantize(Decimal("0.0001"))
