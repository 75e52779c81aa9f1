"""Many children at once, and the benchmarks that measure more of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.deadline import wait_until
from tests.system.conftest import Start

ROOT = Path(__file__).parents[2]
NAMES = [f"c{number:02}" for number in range(60)]
CHILD = '\n[[child]]\nid = "{}"\ncommand = ["sleep", "1000"]\n'
TREE = "[supervisor]\nmax_restarts = 1000\n" + "".join(map(CHILD.format, NAMES))


@pytest.mark.req("S8")
def test_all_killed_at_once_come_back_once(start: Start, tree_file: Callable[[str], str]) -> None:
    """Sixty commands die in one moment: status answers, each is restarted once, a stop leaves nothing."""
    root = start("--config", tree_file(TREE))
    before = root.wait_ready(NAMES)
    for child in before.values():
        os.kill(child["pid"], signal.SIGKILL)

    assert set(root.children()) == set(NAMES)
    wait_until(
        lambda: all(child["restarts"] for child in root.children().values()),
        what="every restart",
        state=root.said,
    )
    after = root.wait_ready(NAMES)
    assert {
        name: (child["restarts"], child["incarnation"]) for name, child in after.items()
    } == dict.fromkeys(NAMES, (1, 2))
    assert not {child["pid"] for child in before.values()} & {child["pid"] for child in after.values()}
    assert root.interrupt() == 0
    assert root.living() == []


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a benchmark as ``ops/bench`` does, in the environment of these tests."""
    command = [sys.executable, "-m", "ops.benches", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        (
            ["restart", "--samples", "4"],
            {
                "restart.worker.p50", "restart.worker.p95", "restart.command.p50", "restart.command.p95",
                "restart.feed.p50", "restart.strategy.p50", "restart.broker.p50", "restart.notifier.p50",
            },
        ),
        (
            ["latency", "--samples", "4"],
            {
                "latency.process.p50", "latency.process.p99", "latency.power.p50", "latency.power.p99",
                "latency.stop.p50",
                "latency.notifier.none.p50", "latency.notifier.none.p99",
                "latency.notifier.log.p50", "latency.notifier.log.p99",
                "latency.notifier.hanging.p50", "latency.notifier.hanging.p99",
                "latency.notifier.flooding.p50", "latency.notifier.flooding.p99",
                "latency.notifier.dead.p50", "latency.notifier.dead.p99",
            },
        ),
        (
            ["replay", "--samples", "1", "--behind", "100000"],
            {"replay.pipelined", "replay.lockstep", "replay.behind", "replay.behind.producer.p99"},
        ),
        (["idle", "--seconds", "0.1"], {"idle.cpu.root", "idle.cpu.tree", "idle.pss.root", "idle.pss.tree"}),
        (
            ["scale", "5", "--rest", "0.1"],
            {
                "scale.start", "scale.back", "scale.stop",
                "scale.status", "scale.cpu.root", "scale.memory.root",
            },
        ),
    ],
)  # fmt: skip
def test_a_benchmark_prints_its_rows(arguments: list[str], rows: set[str]) -> None:
    """Each line of ``--json`` is a figure with its floor, the names those that others rely on."""
    done = bench(*arguments, "--json")
    found = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}

    assert (done.returncode, done.stderr) == (0, "")
    assert rows <= found.keys()
    for row in found.values():
        assert list(row) == ["name", "value", "unit", "floor", "ratio", "samples"]
        assert isinstance(row["value"], float)


def test_an_unknown_benchmark_is_told_the_known_ones() -> None:
    """The names that exist are in the sentence."""
    done = bench("speed")

    assert done.returncode == 2
    assert all(name in done.stderr for name in ("restart", "idle", "scale"))
