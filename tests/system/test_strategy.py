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


def wait_parked(root: RootProcess, name: str = "strategy") -> dict[str, Any]:
    """Wait until a strategy is parked; its object in the status."""
    wait_until(lambda: root.states().get(name) == "parked", WAIT_S, what=f"{name} to park", state=root.said)
    return root.children()[name]


def why(root: RootProcess, name: str = "strategy") -> dict[str, Any]:
    """What ``supervisor why`` says of a strategy."""
    return dict(json.loads(root.command("why", name, "--json").stdout))


def log_of(root: RootProcess) -> str:
    """The log of the strategy; what is being written at this moment may end within a character."""
    path = root.state_dir / "log" / "strategy.jsonl"
    return path.read_text(errors="replace") if path.exists() else ""


@pytest.mark.req("T2")
@pytest.mark.req("S3", "S4")
def test_code_that_never_ends_is_shown_with_the_users_line(start: Start, tmp_path: Path) -> None:
    """An endless loop is caught by the heartbeat, an import that hangs by ready_timeout, both are bounded by
    the intensity, and ``why`` names file and line."""
    bounded = 'intensity = { max_restarts = 0, period = "1m" }\nshutdown = "200ms"\n'
    text = tree("own.py:Mine").replace(
        'shutdown = "2s"\n', f'heartbeat = {{ interval = "300ms", misses = 3 }}\n{bounded}'
    )
    importing = (
        f'[[child]]\nid = "importing"\nstart = "workers.strategy:main"\nready_timeout = "2s"\n{bounded}'
    )
    (tmp_path / "slow.py").write_text(SLOW)
    text += f'{importing}[child.config]\nstrategy = "slow.py:Slow"\n'
    root = start("--config", beside(tmp_path, text, HANGS))

    assert "hung" == wait_parked(root)["last_exit"]["reason"]
    assert f"in on_candle ({tmp_path}/own.py, line " in why(root)["last_exit"]["detail"]
    assert "start_timeout" == wait_parked(root, "importing")["last_exit"]["reason"]
    assert f"in <module> ({tmp_path}/slow.py, line 3)" in why(root, "importing")["last_exit"]["detail"]


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


PAIR = """
from workers.strategy.api import Intent, Strategy

class Pair(Strategy):
    def __init__(self, parameters):
        super().__init__(parameters)
        self.fills = 0

    def on_candle(self, context, candle):
        other = context.of("ETH").history
        if context.symbol != "BTC" or not other:
            return []
        seen = f"{self.fills} {other[-1].open_ms}"
        if context.position.quantity and candle.open_ms // 60000 % 7 == 0:
            return [Intent("exit", reasons=(seen,))]
        if candle.open_ms // 60000 % 5 == 0:
            return [Intent("enter_long", reasons=(seen,))]
        return []

    def on_fill(self, context, fill):
        self.fills += 1

    def snapshot(self):
        return {"fills": self.fills}

    def restore(self, snapshot):
        self.fills = snapshot["fills"]
"""
MINUTE: Final = 60_000


def recording(path: Path, minutes: range) -> Path:
    """Write candles of every minute in the range, going up and down."""
    rows = [
        f"{n * MINUTE},{p},{p},{p},{p},1" for n in minutes for p in [1000 + 10 * abs(n % 60 - 30) + n % 7]
    ]
    path.write_text("\n".join(["ts_ms,open,high,low,close,volume", *rows]))
    return path


def many(tmp_path: Path) -> str:
    """Return a tree of two feeds, three strategies under a group, and one broker."""
    (tmp_path / "own.py").write_text(PAIR)
    recording(tmp_path / "btc.csv", range(150))
    recording(tmp_path / "eth.csv", range(0, 200, 3))

    def child(name: str, room: str, more: str) -> str:
        parent = 'parent = "strategies"\n' if room == "strategy" else ""
        head = f'[[child]]\nid = "{name}"\nstart = "workers.{room}:main"\n{parent}'
        return f"{head}intensity = {{ max_restarts = 1000, period = '1m' }}\n[child.config]\n{more}\n"

    def feed(name: str) -> str:
        keys = 'source = "recorded"\nspeed = "max"\non_end = "shutdown"\n'
        return child(name.lower(), "feed", f'{keys}symbol = "{name}"\nfile = "{name.lower()}.csv"')

    parts = [
        '[defaults.config]\nmode = "paper"\n[[group]]\nid = "strategies"\nstrategy = "one_for_one"\n',
        child("broker", "broker", 'inputs = ["btc", "fast", "slow", "pair"]\nbreakers = "off"'),
        child("fast", "strategy", 'inputs = ["btc"]\nparameters = { fast = 3, slow = 9 }'),
        child("slow", "strategy", 'inputs = ["btc"]\nstrategy = "donchian"'),
        child("pair", "strategy", 'inputs = ["btc", "eth", "broker"]\nstrategy = "own.py:Pair"'),
        feed("BTC"),
        feed("ETH"),
    ]
    path = tmp_path / "many.toml"
    path.write_text("".join(parts))
    return str(path)


def signals(state_dir: Path) -> list[dict[str, Any]]:
    """What ``paper signals`` tells."""
    paper = str(Path(sys.executable).with_name("paper"))
    done = subprocess.run(
        [paper, "signals", "--json", "--state-dir", str(state_dir)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.req("T6")
@pytest.mark.req("T1")
def test_several_strategies_and_one_over_two_symbols(start: Start, tmp_path: Path) -> None:
    """Each its own process and journal under a group; the pair sees the other market as it was at that
    time."""
    root = start("--config", many(tmp_path))

    assert 0 == root.process.wait(60), root.said()
    told = signals(root.state_dir)
    assert {"fast", "slow", "pair"} == {it["strategy"] for it in told}
    pair = [it for it in told if it["strategy"] == "pair"]
    assert {"enter_long", "exit"} == {it["action"] for it in pair}
    for it in pair:
        newest = int(it["reasons"][0].split()[-1])
        assert newest == (it["at_ms"] - MINUTE) // (3 * MINUTE) * 3 * MINUTE
    fills = [int(it["reasons"][0].split()[0]) for it in pair]
    assert fills == sorted(fills)
    assert fills[-1] > 5
