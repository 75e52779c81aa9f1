"""Flags for one run of the root."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.conftest import Start

SLEEPER = """
[[child]]
id = "sleeper"
command = ["sleep", "1000"]
"""
FAILING = """
[[child]]
id = "failing"
command = ["false"]
backoff = { initial = "10ms", max = "10ms" }
"""
MEMBERS = """
[[child]]
id = "strategy"
start = "workers.strategy:main"
[child.config]
slow = "an unknown key"

[[child]]
id = "feed"
start = "workers.feed:main"
[child.config]
file = "candles.csv"
"""


@pytest.mark.req("O1")
def test_duration_ends_the_run_in_order_with_zero(start: Start, tree_file: Callable[[str], str]) -> None:
    """--duration 1s: one orderly stop, exit 0, nothing left."""
    root = start("--config", tree_file(SLEEPER), "--duration", "1s")

    assert root.process.wait(30) == 0
    assert "sleeper ended: stopped" in root.said()
    assert root.living() == []


@pytest.mark.req("O1")
def test_more_restarts_than_wished_end_the_run_with_one(
    start: Start, tree_file: Callable[[str], str]
) -> None:
    """--max-restarts 2: the third restart, whoever's, is the end, and it says so."""
    root = start("--config", tree_file(FAILING + SLEEPER), "--max-restarts", "2")

    assert root.process.wait(30) == 1
    assert "more than 2 restarts" in root.said()
    told = [json.loads(line) for line in root.command("events", "--json").stdout.splitlines()]
    assert [event["event"] for event in told if "more than 2" in str(event.get("what"))] == ["warning"]
    assert root.living() == []


@pytest.mark.req("O1")
def test_only_the_named_children_run(start: Start, tree_file: Callable[[str], str]) -> None:
    """--only sleeper: the other one is not part of this run."""
    root = start("--config", tree_file(FAILING + SLEEPER), "--only", "sleeper")
    root.wait_ready(["sleeper"])

    assert set(root.children()) == {"sleeper"}


@pytest.mark.req("X2")
def test_parked_member_ends_a_recorded_run_with_one(start: Start, tree_file: Callable[[str], str]) -> None:
    """Whoever replays a recording to its end waited for ever for a strategy that was parked."""
    file = Path(tree_file(MEMBERS))
    header = "ts_ms,open,high,low,close,volume"
    rows = [f"{minute * 60_000},1,1,1,1,1" for minute in range(1, 10)]
    file.with_name("candles.csv").write_text("\n".join([header, *rows, ""]))
    root = start("--config", str(file))

    assert root.process.wait(60) == 1
    assert "this run cannot end without strategy, which is given up" in root.said()
    assert root.living() == []
