"""The built-in tree and its recording."""

from __future__ import annotations

import gzip
import tomllib
from itertools import pairwise
from typing import Any

import pytest

from protocol.messages.trading import Signal
from tests.workers.strategy.market import drive, made
from workers.demo import tree_file
from workers.feed.config import FeedConfig, check
from workers.feed.recording import Recording, load
from workers.shared.config import decode
from workers.strategy.config import StrategyConfig
from workers.strategy.loading import load as load_strategy

ROWS_BETWEEN_TRADES = 100
"""At ten candles a second: a trade at least every ten seconds."""


def tree() -> dict[str, Any]:
    return tomllib.loads(tree_file().read_text())


def child(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(child for child in tree()["child"] if child["id"] == name)
    return {**tree()["defaults"]["config"], **found.get("config", {})}


def feed_config() -> FeedConfig:
    return check(decode(child("feed"), FeedConfig, "feed"), "feed")


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load(tree_file().parent / feed_config().file, feed_config())


@pytest.mark.req("S1")
def test_children_start_consumers_first() -> None:
    """The order of the file is the order of starting; data run dry when it is reversed."""
    assert ["notifier", "broker", "strategy", "feed"] == [child["id"] for child in tree()["child"]]
    assert "paper" == tree()["defaults"]["config"]["mode"]


def test_recording_has_no_bad_row(recording: Recording) -> None:
    """Four days of minutes, all valid, looped, at ten candles a second."""
    config = feed_config()

    assert (5760, 0) == (recording.count, recording.rejected)
    assert ("loop", 600.0) == (config.on_end, config.speed)


def test_recording_is_packed_reproducibly() -> None:
    """The file is the same however often it is built: no time in its gzip header, the source's own text."""
    content = (tree_file().parent / feed_config().file).read_bytes()

    assert b"\0\0\0\0" == content[4:8]
    assert gzip.decompress(content).startswith(b"ts_ms,open,high,low,close,volume\n1641686460000,41691.0,")


@pytest.mark.req("F1", "T1")
def test_trades_come_soon_anywhere(recording: Recording) -> None:
    """From a cold start, anywhere in the file and over the seam of two laps, the next cross is near."""
    config = decode(child("strategy"), StrategyConfig, "strategy")
    strategy = load_strategy(
        str(config.strategy), config.parameters, child="strategy", folder=tree_file().parent
    )
    taken = drive(made(strategy), recording.read(0, 2 * recording.count + 500))
    rows = [signal.row for signal in taken.outputs if isinstance(signal, Signal)]

    assert rows[0] <= ROWS_BETWEEN_TRADES
    assert ROWS_BETWEEN_TRADES >= max(after - before for before, after in pairwise(rows))


def test_readme_says_where_the_recording_is_from() -> None:
    """Source and licence stand beside the file."""
    readme = tree_file().with_name("README.md").read_text()

    assert "nautechsystems/nautilus_trader" in readme
    assert "LGPL-3.0-or-later" in readme
    assert feed_config().file in readme
