"""A whole tree on a disk that somebody else fills up while it trades."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ops.disturbance.books import compare, read_books
from protocol.journal import open_readonly
from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess
from tests.support.smalldisk import fill, small_disk

__all__ = ["small_disk"]

ROWS = 60_000
PAPER = str(Path(sys.executable).with_name("paper"))
PATIENCE_S = 60
TREE = """
[defaults.config]
mode = "paper"
[[child]]
id = "notifier"
start = "workers.notifier:main"
config = {{ deliver = "log" }}
[[child]]
id = "broker"
start = "workers.broker:main"
config = {{ breakers = "off" }}
[[child]]
id = "strategy"
start = "workers.strategy:main"
[[child]]
id = "feed"
start = "workers.feed:main"
[child.config]
source = "recorded"
file = {file}
speed = "max"
on_end = "shutdown"
"""


def rows(state_dir: Path) -> int:
    """How many rows are on the broker's books."""
    with closing(open_readonly(state_dir / "data/broker.db")) as books:
        found = books.execute("SELECT seq FROM cursors WHERE source = 'feed'").fetchone()
    return int(found[0]) if found else 0


def recording(folder: Path) -> Path:
    """Write candles whose price goes up and down, for some seconds of the fastest replay."""
    path = folder / "wave.csv"
    prices = ((n, 1000 + 10 * abs(n % 60 - 30) + n % 7) for n in range(ROWS))
    lines = (f"{n * 60_000},{p},{p},{p},{p},1\n" for n, p in prices)
    path.write_text("ts_ms,open,high,low,close,volume\n" + "".join(lines))
    return path


def undisturbed(config: str, file: Path, state_dir: Path) -> None:
    """Replay the same recording in the same tree with nobody in the way."""
    words = [PAPER, "replay", str(file), "--config", config, "--state-dir", str(state_dir)]
    subprocess.run(words, check=True, capture_output=True, timeout=120)


def alerts(root: RootProcess, child: str) -> list[str]:
    """What the child said of the disk at the level that rings a bell; its log file could not take it."""
    lines = [line for line in root.said().splitlines() if "no room to write" in line]
    return [line for line in lines if "CRITICAL" in line and f"{child}.db" in line]


@pytest.mark.slow
@pytest.mark.req("B5", "X2", "X1")
def test_a_full_disk_stops_entries_and_costs_nothing(
    start: Callable[..., RootProcess],
    tree_file: Callable[[str], str],
    small_disk: Path,
    tmp_path: Path,
) -> None:
    """Told by status and log, once; no entry meanwhile; with room again the same books as undisturbed."""
    file = recording(tmp_path)
    config = tree_file(TREE.format(file=json.dumps(str(file))))
    undisturbed(config, file, tmp_path / "quiet")
    state_dir = small_disk / "state"
    state_dir.mkdir(mode=0o700)
    root = start("--config", config, "--paper", state_dir=state_dir)
    root.wait_ready(["broker", "strategy", "feed"])
    wait_until(lambda: rows(state_dir) > 500, PATIENCE_S, what="the first rows", state=root.said)
    make_room = fill(small_disk)

    def ill() -> dict[str, Any]:
        broker = root.children().get("broker", {})
        return broker if "no room" in json.dumps(broker) else {}

    broker = wait_until(ill, PATIENCE_S, what="the broker to tell of the disk", state=root.said)
    stood_at, loops = rows(state_dir), broker["counters"]["loops"]

    def lives_on() -> bool:
        return bool(root.children()["broker"]["counters"]["loops"] > loops)

    wait_until(lives_on, PATIENCE_S, what="it to live on", state=root.said)

    assert broker["health"] in {"degraded", "critical"}
    assert rows(state_dir) == stood_at < ROWS
    make_room()
    assert root.process.wait(PATIENCE_S) == 0
    quiet, full = read_books(tmp_path / "quiet"), read_books(state_dir)
    assert quiet.digest == full.digest
    assert not any(it.lost or it.doubled for it in compare(quiet, full).values())
    assert len(alerts(root, "broker")) == 1, root.said()
