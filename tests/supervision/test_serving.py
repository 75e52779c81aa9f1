"""Points 22 and 23: operators are served whatever is under way, and what they ask for is one thing."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.supervision.trees import TreeProcess
from tests.support.deadline import wait_until


def grown_with_a_slow_one(grow: Grow, folder: Path) -> TreeProcess:
    """A tree of a child that stops when the file ``go`` is there, a group, and a quick one."""
    root = grow(
        trees.group("pair", strategy="rest_for_one"),
        trees.command("member", *trees.SLEEPS, parent="pair"),
        trees.shell("slow", trees.SLOW_TO_STOP, directory=str(folder), shutdown="infinity"),
        trees.worker("quick", "serves"),
    )
    root.wait_ready(["member", "slow", "quick"])
    wait_until(lambda: '"up"' in root.log("slow"), what="the slow one to run")
    return root


@pytest.mark.req("S5")
@pytest.mark.req("O3")
def test_22_slow_stop_delays_nobody(grow: Grow, tmp_path: Path) -> None:
    """One slow stop blocked status and the restart of all others: here they are served while it lasts."""
    root = grown_with_a_slow_one(grow, tmp_path)
    with ThreadPoolExecutor(1) as waiting:
        stop = waiting.submit(root.change, "stop", "slow")
        before = root.wait_for("slow", state="stopping")

        assert root.change("restart", "quick", "member").ok
        trees.kill(root.child("quick")["pid"])
        root.wait_restarts("quick", 1)

        assert not stop.done()
        assert root.child("slow")["pid"] == before["pid"]
        (tmp_path / "go").touch()
        assert stop.result().ok
    assert root.child("slow")["state"] == "stopped"


@pytest.mark.req("O3")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_23_client_that_dies_in_a_restart_leaves_nothing_stopped(
    grow: Grow, tmp_path: Path, number: signal.Signals
) -> None:
    """Restart was the client's stop, then its start: the client dead between them, the child stayed down."""
    root = grown_with_a_slow_one(grow, tmp_path)
    first = root.child("slow")["pid"]
    client = subprocess.Popen(
        [sys.executable, "-m", "supervisor", "restart", "slow", "--state-dir", str(root.state_dir)],
        stderr=subprocess.DEVNULL,
    )
    root.wait_for("slow", state="stopping", wanted=True)

    client.send_signal(number)
    client.wait()
    (tmp_path / "go").touch()

    assert root.wait_for("slow", state="ready", wanted=True)["pid"] != first


@pytest.mark.req("O3")
def test_23_request_asked_again_is_done_once_and_answered_the_same(grow: Grow, tmp_path: Path) -> None:
    """A client that heard nothing asked again, and the child was restarted twice."""
    root = grown_with_a_slow_one(grow, tmp_path)
    (tmp_path / "go").touch()
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: root.change("restart", "slow", request="the-same"), range(4)))
    answers.append(root.change("restart", "slow", request="the-same"))

    assert answers == [answers[0]] * 5
    assert answers[0].ok
    assert root.child("slow")["incarnation"] == 2
