"""Which strategy runs with which parameters: as the tree file says, or as a champion does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET

from workers.shared.config import BadConfig
from workers.strategy.api import Strategy
from workers.strategy.config import DEFAULT, StrategyConfig
from workers.strategy.fingerprint import of_parameters
from workers.strategy.guard import UNGUARDED, Guard
from workers.strategy.loading import load

Facts = tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Choice:
    """A strategy, the fingerprint of its parameters, who watches over it, and what each evaluation tells of
    it."""

    strategy: Strategy
    fingerprint: str
    guard: Guard = UNGUARDED
    facts: Facts = ()


def choose(config: StrategyConfig, *, child: str, folder: Path) -> Choice:
    """Load what the configuration names. Raises PersonMustLook with a sentence."""
    name = config.strategy if config.strategy is not UNSET else DEFAULT
    strategy = load(name, config.parameters, child=child, folder=folder)
    _check_inputs(strategy, config, child)
    return Choice(strategy, of_parameters(strategy.parameters))


def _check_inputs(strategy: Strategy, config: StrategyConfig, child: str) -> None:
    hears = type(strategy).on_fill is not Strategy.on_fill
    if hears and len(config.inputs) < 2:
        problem = "the strategy hears fills (on_fill), so the broker must be named too"
        raise BadConfig(key=f"{child}.config.inputs", found=list(config.inputs), problem=problem)
