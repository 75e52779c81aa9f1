"""What a strategy of your own is written against.

```python
class MyStrategy(Strategy):
    class Parameters(StrategyParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
        lookback: Annotated[int, Meta(ge=2, le=500)] = 20

    @property
    def warmup(self) -> int:
        return self.parameters.lookback

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        highest = max(c.high for c in context.history[:-1])
        return [Intent("enter_long", reasons=("breakout",))] if candle.close > highest else []
```

The tree file then says ``strategy = "my_file.py:MyStrategy"``. Only closed candles arrive, each once and in
order, so looking ahead is impossible. Decide from what you are given: a clock, a file or a random number
would make a replay differ from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from msgspec import Struct

from protocol.messages.market import Candle, Instrument
from protocol.messages.trading import Action, Fill, Size
from workers.shared.config import finite_above_zero


class StrategyParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of ``[child.config.parameters]``; a strategy's own are a subclass with types and bounds.

    ``size``: the fraction of equity that a position takes, above 0 up to 1 (default "0.05").
    """

    size: Decimal = Decimal("0.05")

    def __post_init__(self) -> None:
        """Raise ValueError for a size that no position could have; subclasses call it first."""
        finite_above_zero("size", self.size)
        if self.size > 1:
            raise ValueError(f"size is a fraction of equity, at most 1, found {self.size}")


@dataclass(frozen=True)
class Intent:
    """What a strategy wants after a candle.

    ``enter_short`` on a spot market is carried out as ``exit``: what is not owned cannot be sold. An entry
    against the present direction closes it first. ``confidence`` is from 0 to 1. ``size`` None: the
    fraction of equity in the parameters.
    """

    action: Action
    confidence: Decimal = Decimal(1)
    reasons: tuple[str, ...] = ()
    size: Size | None = None


@dataclass(frozen=True)
class Context:
    """What a strategy may know. ``history`` holds the last ``warmup`` candles, the newest last."""

    symbol: str
    timeframe: str
    instrument: Instrument
    history: Sequence[Candle]


class Strategy:
    """Base class. ``snapshot`` and ``restore`` carry what an object knows over a restart of its process."""

    Parameters: ClassVar[type[StrategyParameters]] = StrategyParameters

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    @property
    def warmup(self) -> int:
        """How many closed candles, the present one included, an evaluation needs (at least 1)."""
        return 2

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        """Decide on a closed candle. An exception is logged and counted, and the candle is done with."""
        raise NotImplementedError

    def on_tick(self, context: Context, price: Decimal, at_ms: int) -> list[Intent]:
        """Decide on a price between candles; recordings of candles have none."""
        return []

    def on_fill(self, context: Context, fill: Fill) -> None:
        """Learn of a fill, before the next candle. Defining it makes replay wait for the broker each row."""

    def snapshot(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain values (numbers, strings, lists, dicts)."""
        return {}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take back what :meth:`snapshot` returned."""
