"""A strategy that never rests, so that the books have something to balance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol.messages.tick import Trade
from workers.strategy.api import Candle, Context, Intent, Price, Strategy, Withdraw

EVERY_MS = 6000


class Restless(Strategy):
    """Enters and leaves in turn, at the first trade of every six seconds of the exchange's time."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self.next_ms = 0

    def on_candle(self, context: Context, candle: Candle) -> Sequence[Intent | Withdraw]:
        """Nothing is decided on candles, backfilled or not."""
        return ()

    def on_tick(self, context: Context, tick: Price) -> Sequence[Intent | Withdraw]:
        """Decide at a trade."""
        if not isinstance(tick, Trade) or context.now_ms < self.next_ms:
            return ()
        self.next_ms = context.now_ms - context.now_ms % EVERY_MS + EVERY_MS
        if context.position.direction == "flat":
            return (Intent("enter_long", reasons=("restless",)),)
        return (Intent("exit", reasons=("restless",)),)

    def snapshot(self) -> dict[str, Any]:
        """Return when it acts next."""
        return {"next_ms": self.next_ms}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take it back."""
        self.next_ms = snapshot["next_ms"]
