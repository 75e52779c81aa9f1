"""The way of a recording in a simulated world: feed, strategies, broker, notifier, on real databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol.codec import ACCOUNT, STRATEGY
from protocol.messages.trading import Through
from tests.workers.feed.candles import rows, write
from tests.workers.shared.world import World
from workers.broker.app import build as build_broker
from workers.broker.store import digest
from workers.feed.__main__ import build as build_feed
from workers.notifier.app import build as build_notifier
from workers.strategy.__main__ import build as build_strategy

MA: dict[str, Any] = {"strategy": "ma_cross", "parameters": {"fast": 2, "slow": 5}}
LISTENS: dict[str, Any] = {
    "strategy": "tests.workers.shared.listening:Listening",
    "inputs": ["feed", "broker"],
}

SLOW: dict[str, Any] = {"strategy": "ma_cross", "parameters": {"fast": 3, "slow": 8}}
SEVERAL: dict[str, Any] = {"strategy": MA, "listener": LISTENS, "slow": SLOW}
"""Two that run ahead, and one between them that wants the fills of each row first."""

WAVES = [100 + (n * n) % 17 for n in range(400)]
"""Prices with something to do in most rows."""


def add_chain(made: World, closes: Sequence[int], strategies: dict[str, dict[str, Any]], **feed: Any) -> None:
    """Name all children; start them with :meth:`World.start`."""
    write(made.folder / "candles.csv", rows(closes))
    made.add("notifier", build_notifier, inputs=["broker"], deliver="log", heartbeat=0, health=0)
    made.add("broker", build_broker, inputs=["feed", *strategies], mode="paper", breakers="off")
    for name, config in strategies.items():
        made.add(name, build_strategy, mode="paper", **config)
    made.add("feed", build_feed, file="candles.csv", **feed)


def start_all(made: World) -> None:
    """Start all that were named."""
    for name in made.children:
        made.start(name)


def finished(made: World) -> bool:
    """Whether the end of the recording is on the books, and the notifier has read of all of it."""
    broker, notifier = made.children["broker"].process, made.children["notifier"].process
    if broker is None or notifier is None or broker.worker.done() is None:
        return False
    cursor = notifier.worker.journal.cursor("broker")
    return cursor is not None and cursor.seq == broker.worker.journal.last_seq


def books(made: World) -> dict[str, object]:
    """Return everything that must be the same in any two runs on the same data."""
    found: dict[str, object] = {}
    for name, child in made.children.items():
        assert child.process is not None
        journal = child.process.worker.journal
        if name == "broker":
            found["digest"] = digest(journal.connection)
            told = [ACCOUNT.decode(record.body) for record in journal.read(0, 1_000_000)]
            found[name] = [it for it in told if not isinstance(it, Through)]
        elif name == "notifier":
            found[name] = journal.connection.execute(
                "SELECT kind, at_ms, text FROM messages ORDER BY number"
            ).fetchall()
        elif name != "feed":
            said = [STRATEGY.decode(record.body) for record in journal.read(0, 1_000_000)]
            found[name] = [it for it in said if not isinstance(it, Through)]
    return found
