"""A user's strategy that listens to its fills, so that replay goes row by row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from protocol.messages.market import Candle
from protocol.messages.trading import Fill
from workers.strategy.api import Context, Intent, Strategy


class Listening(Strategy):
    """Turns with each candle; how sure it is depends on every fill it has heard of."""

    heard = 0

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        """Go with the last candle."""
        rising = candle.close > context.history[0].close
        confidence = Decimal(self.heard % 10) / 10
        return [Intent("enter_long" if rising else "exit", confidence, (f"{self.heard} fills",))]

    def on_fill(self, context: Context, fill: Fill) -> None:
        """Count it."""
        self.heard += 1

    def snapshot(self) -> dict[str, Any]:
        """Keep the count."""
        return {"heard": self.heard}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take it back."""
        self.heard = snapshot["heard"]
