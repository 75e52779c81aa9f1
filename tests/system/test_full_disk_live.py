"""A live broker on a full disk: exits go on in memory, at their price, and are written when there is room."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from protocol.journal import open_readonly
from tests.support.deadline import wait_until
from tests.support.quoter import SYMBOL, say
from tests.support.rootprocess import RootProcess
from tests.support.smalldisk import fill, small_disk
from tests.system.conftest import Start

__all__ = ["small_disk"]

PAPER = (sys.executable, "-c", "from workers.paper import main; main()")
PATIENCE_S = 120
TREE = """
[defaults.config]
mode = "paper"
[[child]]
id = "broker"
start = "workers.broker:main"
[child.config]
breakers = "off"
slippage_bps = "0"
[[child]]
id = "strategy"
start = "workers.strategy:main"
[[child]]
id = "feed"
start = "tests.support.quoter:main"
config = {{ file = {file} }}
"""


def books(state_dir: Path, query: str) -> list[tuple[str, ...]]:
    """What is on the broker's disk."""
    with closing(open_readonly(state_dir / "data/broker.db")) as connection:
        return [tuple(map(str, row)) for row in connection.execute(query)]


def broker(root: RootProcess) -> dict[str, Any]:
    """The broker's part of the status."""
    return root.children()["broker"]


def order(root: RootProcess, *words: str) -> None:
    """Place an order by hand, and wait until it is on the books: accepted, or filled already."""
    before = books(root.state_dir, "SELECT status FROM orders")
    where = ("--symbol", SYMBOL, "--yes", "--state-dir", str(root.state_dir))
    subprocess.run([*PAPER, "order", *words, *where], capture_output=True, check=True)
    found = wait_until(
        lambda: books(root.state_dir, "SELECT status FROM orders")[len(before) :],
        PATIENCE_S, what="the order", state=root.said,
    )  # fmt: skip
    assert found[0][0] in {"accepted", "filled"}


@pytest.mark.slow
@pytest.mark.req("B5", "X2")
def test_an_exit_on_a_full_disk_acts_at_once_and_is_written_when_there_is_room(
    start: Start, tree_file: Callable[[str], str], small_disk: Path, tmp_path: Path
) -> None:
    """A trailing stop that the disk does not take sells at the price of that moment, not at a later one."""
    market = tmp_path / "price"
    say(market, 100)
    state_dir = small_disk / "state"
    state_dir.mkdir(mode=0o700)
    root = start("--config", tree_file(TREE.format(file=json.dumps(str(market)))), state_dir=state_dir)
    root.wait_ready(["broker", "strategy", "feed"])
    wait_until(lambda: broker(root)["counters"].get("equity"), PATIENCE_S, what="it", state=root.said)
    order(root, "buy", "1")
    wait_until(lambda: books(state_dir, "SELECT 1 FROM positions"), PATIENCE_S, what="it", state=root.said)
    order(root, "sell", "all", "--trail", "5")
    make_room = fill(small_disk)
    price = Decimal(100)

    def ill() -> bool:
        nonlocal price
        price += 1  # each new high raises the stop, which the disk is to take
        say(market, price)
        return "no room" in json.dumps(broker(root))

    wait_until(ill, PATIENCE_S, what="the broker to tell of the disk", state=root.said)
    fell_to = price - 20
    say(market, fell_to)
    wait_until(
        lambda: broker(root)["counters"].get("fills") == 2,
        PATIENCE_S, what="the exit", state=lambda: (broker(root), root.said()),
    )  # fmt: skip
    assert broker(root)["health"] == "critical"
    assert len(books(state_dir, "SELECT 1 FROM fills")) == 1

    say(market, 1)
    make_room()
    wait_until(
        lambda: len(books(state_dir, "SELECT 1 FROM fills")) == 2, PATIENCE_S, what="it", state=root.said
    )
    last = books(state_dir, "SELECT side, price, position FROM fills ORDER BY number DESC LIMIT 1")
    assert last == [("sell", str(fell_to), "0")]
    curbs = [("reducing", "storage"), ("active", "storage")]
    told = "SELECT state, trigger FROM trading ORDER BY number"
    wait_until(lambda: books(state_dir, told) == curbs, PATIENCE_S, what="the end of it", state=root.said)
    order(root, "buy", "1")
