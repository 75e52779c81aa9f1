"""The feed's section of the tree file."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from protocol.messages.market import Instrument, OnEnd
from workers.shared.config import BadConfig, WorkerConfig, finite_above_zero

Timeframe = Literal["1m", "5m", "15m", "1h", "4h", "1D"]
TIMEFRAME_MS: Final[dict[str, int]] = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "1D": 86_400_000,
}


class InstrumentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a recorded market is like: grids of price and amount, smallest notional, kind of contract."""

    tick: Decimal = Decimal("0.01")
    step: Decimal = Decimal("0.00000001")
    min_notional: Decimal = Decimal(0)
    contract: Literal["spot", "linear"] = "spot"

    def __post_init__(self) -> None:
        """Raise ValueError for grids that no price or amount could lie on."""
        finite_above_zero("tick", self.tick)
        finite_above_zero("step", self.step)
        if not self.min_notional.is_finite() or self.min_notional < 0:
            raise ValueError(f"min_notional must be a finite number, 0 or above, found {self.min_notional}")

    def as_message(self) -> Instrument:
        """Return the form in which other processes learn it."""
        return Instrument(
            tick=self.tick, step=self.step, min_notional=self.min_notional, contract=self.contract
        )


class FeedConfig(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the feed sends, and where it has it from.

    ``file``: the recording (required for ``source = "recorded"``), relative to the tree file: candles, or a
    trade tape, each trade of which is a row (``timeframe`` and ``time`` say nothing there). ``time``:
    whether its ``ts_ms`` marks the "open" or the "close" of a candle; the wrong one shifts all candles by
    one interval. ``volume``: whether its volume is in the "base" or the "quote" currency. ``speed``: "max",
    or a factor (1 is real time, 60 a minute a second). ``on_end``: "shutdown" stops the tree, "idle" waits,
    "loop" begins again with times shifted onward.
    """

    source: Literal["recorded", "exchange", "simulated"] = "recorded"
    symbol: str = "BTC/USDT"
    timeframe: Timeframe = "1m"
    instrument: InstrumentConfig = field(default_factory=InstrumentConfig)
    file: str = ""
    time: Literal["open", "close"] = "open"
    volume: Literal["base", "quote"] = "base"
    speed: Literal["max"] | Annotated[float, Meta(gt=0, le=1e9)] = "max"
    on_end: OnEnd = "shutdown"

    @property
    def timeframe_ms(self) -> int:
        """The length of a candle in milliseconds."""
        return TIMEFRAME_MS[self.timeframe]


def check(config: FeedConfig, child: str) -> FeedConfig:
    """Return ``config`` when this version can serve it. Raises BadConfig with what to write instead."""
    if config.source != "recorded":
        raise _refused(child, "source", config.source, 'comes in a later version; write source = "recorded"')
    if not config.file:
        raise _refused(child, "file", config.file, "a recording is needed: write the path of a candle file")
    return config


def _refused(child: str, key: str, found: Any, problem: str) -> BadConfig:
    return BadConfig(key=f"{child}.config.{key}", found=found, problem=problem)
