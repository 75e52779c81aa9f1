"""Whatever becomes of the notifier, trading does not notice; in a replay nobody's telephone rings."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from protocol.journal import open_readonly
from tests.support import telegram as server
from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess
from tests.support.telegram import FakeTelegram
from tests.system.conftest import Start, start
from tests.workers.notifier.test_tree import fake, told

__all__ = ["fake", "start"]

OTHERS = ("feed", "strategy", "broker")


def fills(root: RootProcess) -> int:
    """Return how many fills are on the broker's books."""
    try:
        with closing(open_readonly(root.state_dir / "data" / "broker.db")) as connection:
            return int(connection.execute("SELECT count(*) FROM fills").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def trades_on(root: RootProcess, count: int = 3) -> None:
    """Wait until some more fills are made."""
    before = fills(root)
    wait_until(lambda: fills(root) >= before + count, what="further fills", state=lambda: fills(root))


@pytest.mark.req("N1")
@pytest.mark.req("X1")
def test_a_notifier_that_stands_still_or_is_gone_disturbs_nobody(start: Start) -> None:
    """Frozen, hung until it is killed, parked: the others trade on, in the same processes."""
    root = start("--config", "demo", "--set", "feed.speed=3000", "--set", "notifier.heartbeat=1")
    before = root.wait_ready(["notifier", *OTHERS])
    trades_on(root)

    os.kill(before["notifier"]["pid"], signal.SIGSTOP)
    trades_on(root)
    os.kill(before["notifier"]["pid"], signal.SIGKILL)
    root.command("stop", "notifier")
    trades_on(root)

    after = root.children()
    assert [after[name]["pid"] for name in OTHERS] == [before[name]["pid"] for name in OTHERS]
    assert [after[name]["health"] for name in OTHERS] == ["healthy"] * 3
    root.command("start", "notifier")
    told = root.command("logs", "notifier", "--json", "--grep", "notification")
    assert "trade_opened" in told.stdout


TREE = """
[defaults.config]
mode = "paper"

[[child]]
id = "notifier"
start = "tests.workers.notifier.program:main"

[child.config]
telegram = {{ base_url = "{base_url}" }}

[[child]]
id = "broker"
start = "workers.broker:main"

[child.config]
breakers = "off"

[[child]]
id = "strategy"
start = "workers.strategy:main"

[[child]]
id = "feed"
start = "workers.feed:main"

[child.config]
source = "recorded"
file = "{recording}"
time = "close"
volume = "quote"
speed = 6000
on_end = "loop"
instrument = {{ tick = "1", step = "0.0001", contract = "linear" }}
"""


@pytest.mark.req("N1")
@pytest.mark.slow
def test_a_replay_faster_than_life_rings_nobodys_telephone(
    fake: FakeTelegram, start: Start, tmp_path: Path, recent_recording: str
) -> None:
    """With credentials, "auto", and a recording of this very hour: to the log only, and nothing waits."""
    path = tmp_path / "tree.toml"
    path.write_text(TREE.format(base_url=fake.base_url, recording=recent_recording))
    root = start("--config", str(path))
    root.wait_ready(["notifier", *OTHERS])
    trades_on(root)

    def logged() -> list[str]:
        lines = root.command("logs", "notifier", "--json", "--grep", "notification").stdout.splitlines()
        return [line for line in lines if json.loads(line).get("kind") == "trade_opened"]

    wait_until(logged, what="a trade in the log")
    wait_until(lambda: root.children()["notifier"]["counters"]["queued"] == 0, what="nothing that waits")
    assert root.children()["notifier"]["counters"]["sent"] > 0
    assert fake.asked == []
    assert fake.polled == []


@pytest.fixture
def recent_recording(tmp_path: Path) -> str:
    """Write a recording that ends now: by its times it could be live."""
    now = int(time.time() // 60) * 60_000
    lines = ["ts_ms,open,high,low,close,volume"]
    for row in range(3000):
        price = 40_000 + 400 * ((row // 40) % 2) + row % 40
        lines.append(f"{now - (3000 - row) * 60_000},{price},{price + 5},{price - 5},{price},1000000")
    path = tmp_path / "recent.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.req("N2")
@pytest.mark.req("X1")
@pytest.mark.slow
def test_a_telegram_that_never_answers_disturbs_nobody(
    fake: FakeTelegram, start: Start, tmp_path: Path, recent_recording: str
) -> None:
    """Not even the notifier: a flood of trades waits on disk, it beats, and it stops in time."""
    fake.usual = lambda: server.HANG
    path = tmp_path / "tree.toml"
    tree = TREE.format(base_url=fake.base_url, recording=recent_recording)
    path.write_text(tree.replace("program:main", "program:loud"))
    root = start("--config", str(path))
    root.wait_ready(["notifier", *OTHERS])
    trades_on(root, 20)
    wait_until(lambda: root.children()["notifier"]["counters"]["queued"] > 20, what="what waits")

    after = root.children()
    assert [after[name]["restarts"] for name in ("notifier", *OTHERS)] == [0] * 4
    assert fake.asked
    assert fake.taken == []
    assert root.interrupt() == 0


@pytest.mark.req("N1")
@pytest.mark.req("N4")
@pytest.mark.slow
def test_trading_is_told_of_and_ruled_from_a_chat(
    fake: FakeTelegram, start: Start, tmp_path: Path, recent_recording: str
) -> None:
    """Trades arrive opened and closed; entries are paused and resumed; the kill switch asks back."""
    path = tmp_path / "tree.toml"
    tree = TREE.format(base_url=fake.base_url, recording=recent_recording)
    path.write_text(tree.replace("program:main", "program:loud"))
    root = start("--config", str(path))
    root.wait_ready(["notifier", *OTHERS])
    told(fake, "Opened ")
    told(fake, "Closed ")
    fake.say("/profit")
    told(fake, "after fees of")

    fake.say("/pause")
    assert "no new entries" in told(fake, "broker: told")
    told(fake, "No new entries: operator (paused by telegram:42)")
    told(fake, "Order denied: sell BTC/USDT of strategy (paused")
    fake.say("/resume")
    told(fake, "entries are allowed again")
    told(fake, "Trading goes on: operator")

    fake.say("/killswitch")
    code = told(fake, "/killswitch: sure?").split("send /killswitch ")[1].split()[0]
    fake.say(f"/killswitch {code}")
    told(fake, "trading halted")
    told(fake, "Trading is halted")
