"""Points 24 to 27: what counts as hung, as time, and as death."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.supervision.workers import BLOCKS_AT
from tests.support.deadline import wait_until

INTERVAL_S = 0.2
MISSES = 5
QUICK = {"interval": "200ms", "misses": MISSES}
CROWD = 30
HOUR_S = 3600.0


@pytest.mark.req("S4")
@pytest.mark.req("S9")
def test_24_hung_means_no_progress_and_the_stacks_are_in_the_log(grow: Grow) -> None:
    """A process that existed counted as well. Suspended or with a blocked loop, it is noticed and replaced.

    Within its misses, and with its stacks in its log before it is stopped. In the same tree, one that grows
    beyond its memory is restarted for that.
    """
    root = grow(
        trees.worker("asleep", "serves", heartbeat=QUICK),
        trees.worker("blocked", "serves", heartbeat=QUICK),
        trees.worker("well", "serves", heartbeat=QUICK),
        trees.worker("fat", "grows", {"bytes": 96 << 20}, limits={"memory": "64MiB"}),
    )
    before = root.wait_ready(["asleep", "blocked", "well", "fat"])
    os.kill(before["asleep"]["pid"], signal.SIGSTOP)
    os.kill(before["blocked"]["pid"], BLOCKS_AT)

    for name in ("asleep", "blocked"):
        assert root.wait_restarts(name, 1)["last_exit"]["reason"] == "hung"
        (hung,) = root.events(name, "hung")
        assert INTERVAL_S * MISSES < hung["facts"]["silence"] < INTERVAL_S * MISSES + 1.0
        assert "Current thread" in root.log(name)
    assert "in _block" in root.log("blocked")
    assert root.child("well")["pid"] == before["well"]["pid"]
    assert root.wait_restarts("fat", 1)["last_exit"]["reason"] == "memory"


@pytest.mark.req("S4")
def test_24_root_that_was_suspended_judges_nobody(grow: Grow) -> None:
    """After a suspend of the machine all children seemed silent for hours, and all were killed."""
    root = grow(trees.worker("w", "serves", heartbeat=QUICK))
    before = root.wait_ready(["w"])["w"]
    for pid in (root.process.pid, before["pid"]):
        trees.suspend(pid)
    woken_at = time.monotonic() + 1.5 * MISSES * INTERVAL_S
    wait_until(lambda: time.monotonic() > woken_at, what="more time to pass than a child may be silent")

    for pid in (root.process.pid, before["pid"]):
        os.kill(pid, signal.SIGCONT)
    loops = root.child("w")["counters"]["loops"]
    wait_until(lambda: root.child("w")["counters"]["loops"] > loops + MISSES + 1, what="beats")

    assert root.events("w", "hung") == []
    assert root.child("w")["pid"] == before["pid"]


@pytest.mark.req("S7")
def test_25_deaths_that_come_together_are_all_seen(grow: Grow) -> None:
    """One SIGCHLD stood for many deaths, and some were never noticed: here each child is back once."""
    names = [f"c{number}" for number in range(CROWD)]
    root = grow(
        trees.supervisor(max_restarts=1000),
        *(trees.command(name, *trees.SLEEPS) for name in names),
        trees.worker("w", "serves", heartbeat="none"),
    )
    before = root.wait_ready([*names, "w"])
    trees.suspend(root.process.pid)
    for child in before.values():
        trees.kill(child["pid"])
    wait_until(lambda: not any(trees.alive(child["pid"]) for child in before.values()), what="all to be dead")
    root.process.send_signal(signal.SIGCONT)

    after = [root.wait_restarts(name, 1) for name in (*names, "w")]
    assert {(child["restarts"], child["last_exit"]["signal"]) for child in after} == {(1, "SIGKILL")}
    assert not handles(root.process.pid, signal.SIGCHLD)


def handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.split("SigCgt:")[1].split()[0], 16) & 1 << (number - 1))


@pytest.mark.req("S4")
@pytest.mark.req("S6")
def test_26_clock_that_jumps_changes_nothing(grow: Grow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set back, it stopped all timers; set forward, it killed everybody: here it does both all the time."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).with_name("jumpy")))
    root = grow(
        trees.worker("w", "serves", heartbeat=QUICK),
        trees.shell("flaky", "exit 1", backoff={"initial": "50ms", "factor": 1, "max": "50ms", "jitter": 0}),
    )
    root.wait_ready(["w"])
    wait_until(lambda: len(root.events("flaky", "restarting")) > 5, what="restarts after their backoff")
    loops = root.child("w")["counters"]["loops"]
    wait_until(lambda: root.child("w")["counters"]["loops"] > loops + MISSES + 1, what="beats")
    times = [event["facts"]["uptime"] for event in root.events("flaky", "exited")]

    assert root.events(event="hung") == []
    assert all(0 <= uptime < HOUR_S for uptime in times)
    assert 0 < root.status()["root"]["uptime"] < HOUR_S
    assert 0 < root.child("w")["uptime"] < HOUR_S
    assert root.change("restart", "w").ok
    assert root.interrupt() == 0


@pytest.mark.req("S7")
@pytest.mark.parametrize("kind", ["worker", "command"])
def test_27_death_is_told_while_somebody_else_holds_the_output(grow: Grow, kind: str) -> None:
    """The end of the output was taken for the death: a grandchild that holds the pipe hid it for ever."""
    root = grow(
        trees.worker("c", "serves") if kind == "worker" else trees.command("c", *trees.SLEEPS),
    )
    pid = root.wait_ready(["c"])["c"]["pid"]
    with Path(f"/proc/{pid}/fd/1").open("wb", buffering=0) as held:
        trees.kill(pid)

        assert root.wait_restarts("c", 1)["last_exit"]["signal"] == "SIGKILL"
        held.write(b"still here\n")
        wait_until(lambda: "still here" in root.log("c"), what="what was written afterwards")


@pytest.mark.req("S7")
def test_27_end_of_the_output_is_not_a_death(grow: Grow, tmp_path: Path) -> None:
    """The other way round: a program that closes its output lives on."""
    script = "exec >&- 2>&-; touch closed; exec sleep 1000"
    root = grow(trees.shell("c", script, directory=str(tmp_path)), trees.command("d", *trees.SLEEPS))
    before = root.wait_ready(["c", "d"])
    wait_until((tmp_path / "closed").exists, what="the output to be closed")
    root.change("restart", "d")

    assert (child := root.child("c"))["pid"] == before["c"]["pid"]
    assert (child["state"], child["restarts"]) == ("ready", 0)
    assert trees.alive(child["pid"])
