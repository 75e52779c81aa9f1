"""A strategy of the user's own in real processes: edited, broken, hanging, and held to its champion."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess
from tests.system.conftest import Start
from tests.workers.strategy.trees import tree

WAIT_S: Final = 30
HANGS = """
from workers.strategy.api import Strategy

class Mine(Strategy):
    def on_candle(self, context, candle):
        while True:
            pass
"""
SLOW = "import time\nfrom workers.strategy.api import Strategy\ntime.sleep(1000)\n"


def beside(tmp_path: Path, text: str, code: str) -> str:
    """Write a tree file and the strategy beside it; the tree file's path."""
    (tmp_path / "own.py").write_text(code)
    path = tmp_path / "tree.toml"
    path.write_text(text)
    return str(path)


def wait_parked(root: RootProcess) -> dict[str, Any]:
    """Wait until the strategy is parked; its object in the status."""
    wait_until(
        lambda: root.states().get("strategy") == "parked",
        WAIT_S,
        what="the strategy to park",
        state=root.said,
    )
    return root.children()["strategy"]


def why(root: RootProcess) -> dict[str, Any]:
    """What ``supervisor why strategy`` says."""
    return dict(json.loads(root.command("why", "strategy", "--json").stdout))


def log_of(root: RootProcess) -> str:
    """The log of the strategy."""
    path = root.state_dir / "log" / "strategy.jsonl"
    return path.read_text() if path.exists() else ""


@pytest.mark.req("T2")
@pytest.mark.req("S4")
def test_an_endless_loop_is_shown_with_the_users_line(start: Start, tmp_path: Path) -> None:
    """Caught by the heartbeat, bounded by the intensity, and ``why`` names file and line."""
    child = (
        'heartbeat = { interval = "300ms", misses = 3 }\nintensity = { max_restarts = 0, period = "1m" }\n'
        'shutdown = "200ms"'
    )
    text = tree("own.py:Mine").replace('shutdown = "2s"\n', f"{child}\n")
    root = start("--config", beside(tmp_path, text, HANGS))

    assert "hung" == wait_parked(root)["last_exit"]["reason"]
    assert f"in on_candle ({tmp_path}/own.py, line " in why(root)["last_exit"]["detail"]


@pytest.mark.req("T6")
@pytest.mark.req("S3")
def test_an_import_that_hangs_is_shown_with_the_users_line(start: Start, tmp_path: Path) -> None:
    """Ended by ready_timeout, parked by the intensity, and ``why`` names file and line."""
    child = 'ready_timeout = "2s"\nintensity = { max_restarts = 0, period = "1m" }\nshutdown = "200ms"'
    text = tree("own.py:Mine").replace('shutdown = "2s"\n', f"{child}\n")
    root = start("--config", beside(tmp_path, text, SLOW))

    assert "start_timeout" == wait_parked(root)["last_exit"]["reason"]
    assert f"in <module> ({tmp_path}/own.py, line 3)" in why(root)["last_exit"]["detail"]


@pytest.mark.req("T6")
def test_init_writes_a_strategy_and_a_restart_takes_its_edits(
    start: Start, tmp_path: Path, runtime_dir: Path
) -> None:
    """A newcomer's way: init, start, edit, restart; a broken edit is one sentence, and is mended the same
    way."""
    done = subprocess.run(
        [sys.executable, "-m", "supervisor", "init", "--strategy", "mine.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mine = tmp_path / "mine.py"
    root = start("--config", str(tmp_path / "supervisor.toml"))
    root.wait_ready(["feed", "strategy", "broker"])

    whole = mine.read_text()
    first = "        closes = ["
    mine.write_text(whole.replace(first, f'        context.log.info("my edit works")\n{first}'))
    root.command("restart", "strategy")
    wait_until(lambda: "my edit works" in log_of(root), WAIT_S, what="the edit to be heard", state=root.said)

    mine.write_text(whole.replace(first, "        closes = = ["))
    root.command("restart", "strategy", check=False)
    parked = wait_parked(root)
    assert 78 == parked["last_exit"]["code"]
    assert "SyntaxError: invalid syntax (mine.py, line" in parked["last_error"]
    mine.write_text(whole)
    root.command("restart", "strategy")
    assert "ready" == root.states()["strategy"]


@pytest.mark.req("T4")
def test_a_champion_edited_by_one_digit_stops_its_strategy(start: Start, tmp_path: Path) -> None:
    """While it runs: exit 78, parked, one alert, and no signal after it."""
    paper = str(Path(sys.executable).with_name("paper"))
    chosen = tmp_path / "c.json"
    words = [
        "create",
        "c.json",
        "--strategy",
        "ma_cross",
        "--symbol",
        "BTC-PERP",
        "--timeframe",
        "1m",
        "--provenance",
        "test",
    ]
    subprocess.run([paper, "champion", *words], cwd=tmp_path, check=True, capture_output=True)
    text = tree("", more='champion = "c.json"', speed="6000", on_end="loop").replace('strategy = ""\n', "")
    root = start("--config", beside(tmp_path, text, ""))
    wait_until(lambda: "evaluation" in log_of(root), WAIT_S, what="a signal", state=root.said)

    chosen.write_text(chosen.read_text().replace('"fast": 5', '"fast": 6'))
    parked = wait_parked(root)
    assert (78, "config") == (parked["last_exit"]["code"], parked["last_exit"]["reason"])
    assert "it was edited" in parked["last_error"]
    lines = [json.loads(line) for line in log_of(root).splitlines()]
    assert ["CRITICAL"] == [line["level"] for line in lines if line["level"] in {"ERROR", "CRITICAL"}]
    assert "CRITICAL" == lines[-1]["level"]
    facts = next(line for line in lines if line["message"] == "evaluation")
    assert ("test", 5) == (facts["source"], facts["parameters"]["fast"])
    verify = subprocess.run([paper, "champion", "verify", str(chosen)], capture_output=True, check=False)
    assert 1 == verify.returncode
