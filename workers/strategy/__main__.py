"""The strategy as a process."""

from __future__ import annotations

import time
from pathlib import Path

from protocol.codec import STRATEGY
from protocol.messages.control import Launch
from protocol.messages.stream import OrdersRole
from workers.shared.housekeeping import Keep
from workers.shared.process import run
from workers.shared.worker import Context, Worker
from workers.strategy.config import StrategyConfig, check
from workers.strategy.core import Settings, StrategyCore
from workers.strategy.loading import load
from workers.strategy.tables import SIGNALS_KEPT, TABLES


def main(launch: Launch) -> int:
    """Run the strategy that ``launch`` describes until SIGTERM; returns the exit code."""
    return run(launch, build)


def build(context: Context) -> Worker:
    """Load the user's class and go on from its last snapshot."""
    child = context.launch.child
    config = check(context.config(StrategyConfig), child)
    folder = Path(context.launch.config_dir)
    strategy = load(config.strategy, config.parameters, child=child, folder=folder)
    journal = context.open_journal(tables=TABLES)
    core = StrategyCore(strategy, _settings(config, child), journal.state(), time.perf_counter)
    return Worker(
        core=core,
        journal=journal,
        inputs=config.inputs,
        role=OrdersRole(strategy=child, listens=core.listens),
        encode=STRATEGY.encode,
        condition=core.condition,
        keeps=(Keep("signals", "id", SIGNALS_KEPT),),
    )


def _settings(config: StrategyConfig, child: str) -> Settings:
    return Settings(
        child=child,
        mode=config.mode,
        auto_execute=config.auto_execute,
        min_confidence=config.min_confidence,
        max_consecutive_errors=config.max_consecutive_errors,
        verbose=config.log_level == "DEBUG",
    )
