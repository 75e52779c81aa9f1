"""The strategy as a process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protocol.codec import STRATEGY
from protocol.messages.control import Launch
from protocol.messages.stream import MarketRole, OrdersRole, Role
from workers.shared.housekeeping import Keep
from workers.shared.preflight import Part, section
from workers.shared.process import run
from workers.shared.worker import Context, Service, Worker
from workers.strategy.api import Strategy
from workers.strategy.choice import Choice, choose
from workers.strategy.config import StrategyConfig
from workers.strategy.core import Settings, StrategyCore, Surroundings
from workers.strategy.remote import Remote
from workers.strategy.tables import TABLES

preflight = section(
    StrategyConfig, lambda config, place: choose(config, child=place.child, folder=place.config_dir)
)
"""What is wrong with a section, told before the start."""


def part_in_run(_config: Mapping[str, Any]) -> Part | None:
    """Say that a recording cannot come to its end without this worker."""
    return "member"


def main(launch: Launch) -> int:
    """Run the strategy that ``launch`` describes until SIGTERM; returns the exit code."""
    return run(launch, build)


def build(context: Context) -> Worker:
    """Load the user's class and go on from its last snapshot."""
    child = context.launch.child
    config = context.config(StrategyConfig)
    choice = choose(config, child=child, folder=Path(context.launch.config_dir))
    journal = context.open_journal(tables=TABLES, durability=None)
    core = StrategyCore(
        choice.strategy,
        _settings(config, choice, child),
        journal.state(),
        Surroundings(time.perf_counter, choice.guard),
        inputs=config.inputs,
    )
    return Worker(
        core=core,
        journal=journal,
        inputs=config.inputs,
        role=OrdersRole(strategy=child, listens=core.listens),
        encode=STRATEGY.encode,
        timed=core,
        ticking=core if type(choice.strategy).on_tick is not Strategy.on_tick else None,
        condition=core.condition,
        rewinds=_known_by_time,
        keeps=(Keep("signals", "id", config.keep_signals),),
        services=_services(choice.strategy),
    )


def _known_by_time(role: Role) -> bool:
    """Live candles are known by their time: a feed that lost the last ones with the power may send them
    again."""
    return isinstance(role, MarketRole) and not role.lockstep


def _services(strategy: Strategy) -> tuple[Service, ...]:
    if not isinstance(strategy, Remote):
        return ()
    # Late: what speaks HTTP is of use to this strategy only.
    from workers.strategy.remote_client import RemoteClient

    return (RemoteClient(strategy.inquiry, strategy.parameters),)


def _settings(config: StrategyConfig, choice: Choice, child: str) -> Settings:
    return Settings(
        child=child,
        mode=config.mode,
        auto_execute=config.auto_execute,
        min_confidence=config.min_confidence,
        max_consecutive_errors=config.max_consecutive_errors,
        error_budget=config.error_budget,
        interval_ms=config.interval_ms,
        keep_signals_ms=config.keep_signals_ms,
        discard_snapshot=config.discard_snapshot,
        default_size=choice.strategy.parameters.size,
        parameters=choice.fingerprint,
        evaluated_as=choice.facts,
        verbose=config.log_level == "DEBUG",
    )
