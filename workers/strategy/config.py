"""The strategy's section of the tree file."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType, field

from workers.shared.config import BadConfig, WorkerConfig


class StrategyConfig(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which strategy runs, on what, and what becomes of its signals.

    ``strategy``: a shipped name, ``file.py:Class`` (relative to the tree file) or ``package.module:Class``.
    ``parameters``: the strategy's own keys. ``inputs``: the feed to follow (and the broker, for strategies
    with ``on_fill``). ``min_confidence``: weaker signals are stored and not traded. ``auto_execute``: false
    stores signals and orders nothing. ``max_consecutive_errors``: so many in a row raise a warning.
    """

    strategy: str = "ma_cross"
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: Annotated[tuple[str, ...], Meta(min_length=1)] = ("feed",)
    min_confidence: Decimal = Decimal(0)
    auto_execute: bool = True
    max_consecutive_errors: Annotated[int, Meta(ge=1)] = 10
    champion: str | UnsetType = UNSET
    interval: str | float | UnsetType = UNSET
    error_budget: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Raise ValueError for a confidence that is no number from 0 to 1."""
        if not self.min_confidence.is_finite() or not 0 <= self.min_confidence <= 1:
            raise ValueError(f"min_confidence must be from 0 to 1, found {self.min_confidence}")


LATER = ("champion", "interval", "error_budget")


def check(config: StrategyConfig, child: str) -> StrategyConfig:
    """Return ``config`` if this version can obey all of it: no safeguard is ignored. Raises BadConfig."""
    for key in LATER:
        if (found := getattr(config, key)) is not UNSET:
            raise BadConfig(
                key=f"{child}.config.{key}", found=found, problem="comes in a later version; leave it out"
            )
    return config
