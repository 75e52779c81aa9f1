"""Strategies that harm their own process: each is seen as what it is, and the others trade on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess
from tests.system.conftest import Start
from tests.system.test_strategy import beside, log_of, wait_parked
from tests.workers.strategy.trees import tree

WAIT_S: Final = 60
HEAD: Final = """
import os, signal, sys, threading, time
from workers.strategy.api import Intent, Strategy

class Mine(Strategy):
    n = 0
    def on_candle(self, context, candle):
        self.n += 1
        trades = [Intent("enter_long" if self.n % 2 else "exit")]
"""
BOUNDED: Final = (
    'intensity = { max_restarts = 1, period = "1m" }\nheartbeat = { interval = "300ms", misses = 5 }'
)
NEIGHBOUR: Final = '[[child]]\nid = "neighbour"\nstart = "workers.strategy:main"\n'


def begun(start: Start, tmp_path: Path, line: str) -> RootProcess:
    """Start a tree with a strategy that does ``line`` at a candle, and a neighbour on the same feed."""
    text = tree("own.py:Mine", child=BOUNDED, speed="3000", on_end="loop") + NEIGHBOUR
    return start("--config", beside(tmp_path, text, f"{HEAD}        {line}\n        return trades\n"))


def trades_on(root: RootProcess) -> None:
    """Wait until the neighbour has evaluated more candles; nobody else was restarted."""

    def evaluated() -> int:
        return int(root.children()["neighbour"]["counters"].get("evaluations", 0))

    before = evaluated()
    wait_until(lambda: evaluated() > before, WAIT_S, what="the neighbour to go on", state=root.said)
    children = root.children()
    assert [("ready", 0)] * 2 == [
        (children[n]["state"], children[n]["restarts"]) for n in ("feed", "neighbour")
    ]


@pytest.mark.slow
@pytest.mark.req("T2", "S5")
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("os._exit(0)", "normal"),
        ("os._exit(3)", "crashed"),
        ("threading.Thread(target=os._exit, args=(5,)).start(); time.sleep(1)", "crashed"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed"),
        ("time.sleep(0.5); os.kill(os.getpid(), signal.SIGSTOP)", "hung"),  # not before ready is on its way
        ("sys.modules.clear()", "crashed"),
        ("raise BaseException('no')", "config"),
        ("sys.exit(0)", "config"),
        ("return self.on_candle(context, candle)", "config"),
    ],
)
def test_one_that_ends_its_process_is_parked_alone(
    start: Start, tmp_path: Path, line: str, reason: str
) -> None:
    """Within its intensity, under the name of what it did."""
    root = begun(start, tmp_path, line)
    assert reason == wait_parked(root)["last_exit"]["reason"]
    trades_on(root)


@pytest.mark.slow
@pytest.mark.req("T2")
@pytest.mark.parametrize(
    "line",
    [
        "os.chdir('/'); os.umask(0o777); os.environ.clear()",
        "os.close(1) if self.n == 3 else None",
        "print('x' * 1_000_000)",
        "os.write(1, bytes(range(256)) * 100)",
        "os.fork() or time.sleep(1000) if self.n == 3 else None",
        "threading.Thread(target=time.sleep, args=(1000,)).start() if self.n < 50 else None",
        "threading.Thread(target=lambda: 1 / 0).start()",
        "[signal.signal(s, signal.SIG_IGN) for s in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]",
        "os.kill(os.getppid(), signal.SIGTERM) if self.n == 3 else None",
        "import decimal; decimal.getcontext().prec = 1",
    ],
)
def test_one_that_only_makes_a_mess_trades_on_and_is_stopped_like_others(
    start: Start, tmp_path: Path, line: str
) -> None:
    """Its signals go out, its log can be read, and nothing of it is left after the stop."""
    root = begun(start, tmp_path, line)
    wait_until(lambda: log_of(root).count('"evaluation"') >= 10, WAIT_S, what="signals", state=root.said)
    assert ("ready", 0) == (root.children()["strategy"]["state"], root.children()["strategy"]["restarts"])
    trades_on(root)

    root.command("stop")
    assert 0 == root.process.wait(WAIT_S)
