"""Which strategy runs with which parameters: as the tree file says, or as a champion does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET

from workers.shared.config import BadConfig
from workers.strategy import champion_file
from workers.strategy.api import Strategy
from workers.strategy.champion_file import ChampionFile
from workers.strategy.config import DEFAULT, StrategyConfig
from workers.strategy.fingerprint import of_parameters
from workers.strategy.guard import UNGUARDED, Guard
from workers.strategy.loading import load
from workers.strategy.source import source_of

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
    if config.champion is not None:
        choice = _champion(config, config.champion, child, folder)
    else:
        name = config.strategy if config.strategy is not UNSET else DEFAULT
        strategy = load(name, config.parameters, child=child, folder=folder)
        choice = Choice(strategy, of_parameters(strategy.parameters))
    _check_inputs(choice.strategy, config, child)
    return choice


def _champion(config: StrategyConfig, named: str, child: str, folder: Path) -> Choice:
    path = champion_file.find(folder / named, config.symbol, config.timeframe)
    champion = champion_file.read(path)
    if config.parameters:
        problem = f"the champion {named} says the parameters; leave them out"
        raise BadConfig(key=f"{child}.config.parameters", found=config.parameters, problem=problem)
    if config.strategy not in (UNSET, champion.strategy):
        problem = f"the champion {named} says {champion.strategy!r}; leave the key out"
        raise BadConfig(key=f"{child}.config.strategy", found=config.strategy, problem=problem)
    strategy = load(champion.strategy, champion.parameters, child=child, folder=path.parent)
    guard = ChampionFile(path, champion, source_of(type(strategy)))
    facts = (
        ("champion", champion.fingerprint[:16]),
        ("source", champion.provenance),
        ("parameters", champion.parameters),
    )
    return Choice(strategy, of_parameters(strategy.parameters), guard, facts)


def _check_inputs(strategy: Strategy, config: StrategyConfig, child: str) -> None:
    hears = type(strategy).on_fill is not Strategy.on_fill
    if hears and len(config.inputs) < 2:
        problem = "the strategy hears fills (on_fill), so the broker must be named too"
        raise BadConfig(key=f"{child}.config.inputs", found=list(config.inputs), problem=problem)
