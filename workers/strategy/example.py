"""A strategy to begin with. `supervisor init --strategy my_strategy.py` makes a copy of this file.

It buys when a candle closes above the highest close of the last `lookback` candles, and leaves when one
closes below their average. Change what you like, then:

    paper check-strategy my_strategy.py --data candles.csv.gz    does it look ahead, does it survive restarts?
    paper replay candles.csv.gz --strategy my_strategy.py:Example    what would it have made?
    supervisor restart strategy                                  a running tree takes the edit

The rules: decide only from what you are given (`context`, `candle`, and what the object remembers), never
from a clock, a file, the network or chance; a replay would differ from run to run. An exception loses this
one evaluation: it is logged with its traceback and counted.
"""

from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta

from workers.strategy.api import Candle, Context, Intent, Strategy, StrategyParameters


class ExampleParameters(StrategyParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of `[child.config.parameters]` in the tree file, with their types, bounds and defaults.

    `size`, the fraction of equity that a position takes, is inherited.
    """

    lookback: Annotated[int, Meta(ge=2, le=500)] = 30


class Example(Strategy):
    """One object for each process; `on_candle` is called with every closed candle, in order, each once."""

    Parameters = ExampleParameters
    parameters: ExampleParameters

    def __init__(self, parameters: ExampleParameters) -> None:
        super().__init__(parameters)
        self.breakouts = 0

    @property
    def warmup(self) -> int:
        """How many candles `context.history` must hold before the first question (the present one
        included)."""
        return self.parameters.lookback + 1

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        """Answer with what you want: nothing, or intents to enter_long, enter_short or exit."""
        closes = [past.close for past in context.history[:-1]]
        highest, average = max(closes), sum(closes, Decimal(0)) / len(closes)
        if context.position.direction == "flat" and candle.close > highest:
            self.breakouts += 1
            context.log.debug("breakout", highest=highest, nth=self.breakouts)
            return [Intent("enter_long", reasons=(f"close {candle.close} above {highest}",))]
        if context.position.direction == "long" and candle.close < average:
            return [Intent("exit", reasons=(f"close {candle.close} below the average {average:.8g}",))]
        return []

    def snapshot(self) -> dict[str, Any]:
        """What must survive a restart and does not follow from the history: plain values only."""
        return {"breakouts": self.breakouts}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take it back."""
        self.breakouts = snapshot["breakouts"]
