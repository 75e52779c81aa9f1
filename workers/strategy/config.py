"""The strategy's section of the tree file."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType, field

from workers.shared.config import WorkerConfig
from workers.shared.duration import seconds

DEFAULT: Final = "ma_cross"
INTERVAL_S: Final = 5.0
"""The interval of the periodic mode when only the mode was asked for."""


class StrategyConfig(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which strategy runs, on what, and what becomes of its signals.

    ``strategy``: a shipped name, ``file.py:Class`` (relative to the tree file) or ``package.module:Class``.
    ``parameters``: the strategy's own keys. ``inputs``: the feeds to follow, the leading one first, and the
    broker for a strategy that wants fills and its true position. ``champion``: a file, or a folder of
    files, that says strategy and parameters instead; of a folder the one for ``symbol`` and ``timeframe``.

    ``min_confidence``: weaker signals are stored and not traded. ``auto_execute``: false stores signals and
    orders nothing. ``interval``: the periodic mode, a duration, or true for every 5 s.
    ``max_consecutive_errors``: so many in a row raise a warning. ``error_budget``: so many in one run end
    it (0: never). ``keep_signals`` and ``keep_signals_for``: how many signals are stored, and for how long.
    ``discard_snapshot``: true begins without what the strategy knew.
    """

    strategy: str | UnsetType = UNSET
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: Annotated[tuple[str, ...], Meta(min_length=1)] = ("feed",)
    champion: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    min_confidence: Decimal = Decimal(0)
    auto_execute: bool = True
    interval: str | float | bool = False
    max_consecutive_errors: Annotated[int, Meta(ge=1)] = 10
    error_budget: Annotated[int, Meta(ge=0)] = 20
    keep_signals: Annotated[int, Meta(ge=1)] = 100_000
    keep_signals_for: str | float = "365d"
    discard_snapshot: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for a confidence that is no number from 0 to 1, and for what is no duration."""
        if not self.min_confidence.is_finite() or not 0 <= self.min_confidence <= 1:
            raise ValueError(f"min_confidence must be from 0 to 1, found {self.min_confidence}")
        if len(set(self.inputs)) < len(self.inputs):
            raise ValueError(f"inputs name one of {', '.join(self.inputs)} twice")
        self.keep_signals_ms  # noqa: B018 it raises for what is no duration
        if self.interval and not self.interval_ms and seconds("interval", self.interval):
            raise ValueError(f"interval must be 1ms or longer, or 0s for none, found {self.interval!r}")

    @property
    def interval_ms(self) -> int:
        """The interval of the periodic mode; 0: there is none."""
        if isinstance(self.interval, bool):
            return int(INTERVAL_S * 1000) if self.interval else 0
        return int(seconds("interval", self.interval) * 1000)

    @property
    def keep_signals_ms(self) -> int:
        """For how long signals are kept, in time of the data."""
        return int(seconds("keep_signals_for", self.keep_signals_for) * 1000)
