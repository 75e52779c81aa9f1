"""Donchian breakout: enters when a close leaves the channel of the last candles, exits by a shorter channel.

The channel of ``entry`` candles is the highest high and lowest low of the candles before the present one
(Donchian's four-week rule; the shorter exit channel is that of the "turtles").
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from protocol.messages.market import Candle
from workers.strategy.api import Context, Intent, Strategy, StrategyParameters
from workers.strategy.indicators import RollingExtreme

FULL_CONFIDENCE_AT: Final = Decimal("0.1")
"""A close beyond the channel by this share of its width counts as a sure breakout."""


class DonchianParameters(StrategyParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``entry`` and ``exit`` are the lengths of the channels in candles; ``exit`` is not the longer one."""

    entry: Annotated[int, Meta(ge=2, le=1000)] = 20
    exit: Annotated[int, Meta(ge=1, le=1000)] = 10

    def __post_init__(self) -> None:
        """Raise ValueError when positions would be left later than the other side is entered."""
        super(DonchianParameters, self).__post_init__()  # noqa: UP008 - msgspec re-creates the class
        if self.exit > self.entry:
            raise ValueError(f"exit must not be above entry, found {self.exit} and {self.entry}")


class Donchian(Strategy):
    """Speaks at the first close beyond a channel, not at those that follow it outside."""

    Parameters: ClassVar[type[StrategyParameters]] = DonchianParameters
    parameters: DonchianParameters

    def __init__(self, parameters: DonchianParameters) -> None:
        super().__init__(parameters)
        self._channels: dict[str, _Channels] = {}

    @property
    def warmup(self) -> int:
        """The longer channel, the candle before the present one, and the present one."""
        return self.parameters.entry + 2

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        """Compare the close with the channels of the candles before it; both follow from the history."""
        channels = self._channels.get(context.symbol)
        if channels is None:
            channels = self._channels[context.symbol] = _Channels(self.parameters, context.history[:-1])
        before = channels.outside
        channels.add(candle)
        if channels.outside and channels.outside != before:
            return [channels.entry(candle.close)]
        left = {"long": channels.below_exit, "short": channels.above_exit}.get(context.position.direction)
        return [Intent("exit", reasons=("close beyond the exit channel",))] if left else []


class _Channels:
    """The channels before the newest candle, and where its close lies."""

    def __init__(self, parameters: DonchianParameters, history: Iterable[Candle]) -> None:
        self._high, self._low = (
            RollingExtreme(parameters.entry, "highest"),
            RollingExtreme(parameters.entry, "lowest"),
        )
        self._exit_high = RollingExtreme(parameters.exit, "highest")
        self._exit_low = RollingExtreme(parameters.exit, "lowest")
        self.top = self.bottom = Decimal(0)
        self.outside = 0
        self.above_exit = self.below_exit = False
        self._begun = False
        for candle in history:
            self.add(candle)

    def add(self, candle: Candle) -> None:
        if self._begun:
            self._place(candle.close)
        self._begun = True
        for extreme in (self._high, self._exit_high):
            extreme.add(candle.high)
        for extreme in (self._low, self._exit_low):
            extreme.add(candle.low)

    def _place(self, close: Decimal) -> None:
        self.top, self.bottom = self._high.value, self._low.value
        self.outside = (close > self.top) - (close < self.bottom)
        self.above_exit = close > self._exit_high.value
        self.below_exit = close < self._exit_low.value

    def entry(self, close: Decimal) -> Intent:
        edge, word = (self.top, "above") if self.outside > 0 else (self.bottom, "below")
        width = self.top - self.bottom
        share = abs(close - edge) / width / FULL_CONFIDENCE_AT if width else Decimal(1)
        reason = f"close {close:.8g} {word} the channel from {self.bottom:.8g} to {self.top:.8g}"
        confidence = min(share, Decimal(1)).quantize(Decimal("0.0001"))
        return Intent("enter_long" if self.outside > 0 else "enter_short", confidence, (reason,))
