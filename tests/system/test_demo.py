"""The main job: four processes trade on recorded data, come back when killed, and stop cleanly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess
from tests.system.conftest import Start

FOUR = ("notifier", "broker", "strategy", "feed")


def fills(root: RootProcess) -> list[dict[str, str]]:
    """The fills of the paper account, oldest first."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("paper")), "fills", "--json", "--state-dir", str(root.state_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.req("S1")
@pytest.mark.req("O1")
@pytest.mark.req("O2")
@pytest.mark.req("F1")
@pytest.mark.req("S8")
def test_four_processes_trade_and_ctrl_c_stops_them_in_reverse_order(start: Start) -> None:
    """All ready, a trade, then one Ctrl+C: feed, strategy, broker, notifier end in that order, exit 0."""
    root = start("--config", "demo")
    children = root.wait_ready(FOUR)

    assert len({child["pid"] for child in children.values()} | {root.process.pid}) == 5
    wait_until(lambda: fills(root), what="a trade")
    assert root.status()["root"]["demo"] is False  # somebody named it
    assert root.interrupt() == 0
    ended = [line for line in root.command("events", "--json").stdout.splitlines() if '"exited"' in line]
    assert [json.loads(line)["child"] for line in ended] == ["feed", "strategy", "broker", "notifier"]
    assert root.living() == []


@pytest.mark.req("O1")
@pytest.mark.req("N1")
def test_without_a_tree_file_banner_status_and_messages_say_demo(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody shall take for his own what runs because nothing was named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    root = start()
    root.wait_ready(FOUR)

    assert "DEMO: no tree file was found" in root.said()
    assert root.status()["root"]["demo"] is True
    assert "DEMO" in root.command("status").stdout
    wait_until(lambda: 'text="DEMO ' in root.said(), what="a message", state=root.said)


@pytest.mark.req("S1")
@pytest.mark.req("S11")
@pytest.mark.req("B5")
def test_each_worker_killed_comes_back_and_trading_goes_on(start: Start) -> None:
    """kill -9 of each in turn: ready again, one restart, reason killed, the others untouched."""
    root = start("--config", "demo")
    before = root.wait_ready(FOUR)
    for victim in FOUR:
        os.kill(before[victim]["pid"], signal.SIGKILL)
    wait_until(
        lambda: all(child["restarts"] == 1 for child in root.children().values()), what="four restarts"
    )
    after = root.wait_ready(FOUR)

    for name in FOUR:
        assert after[name]["last_exit"]["reason"] == "killed"
        assert after[name]["last_exit"]["signal"] == "SIGKILL"
        assert after[name]["incarnation"] == 2
        assert after[name]["pid"] != before[name]["pid"]
    traded = len(fills(root))
    wait_until(lambda: len(fills(root)) > traded, what="another trade")
    ids = [fill["fill_id"] for fill in fills(root)]
    assert len(ids) == len(set(ids))


@pytest.mark.req("O3")
def test_restart_returns_when_the_new_one_is_ready(start: Start) -> None:
    """supervisor restart feed: exit 0, a new pid that is ready, no failure counted."""
    root = start("--config", "demo")
    before = root.wait_ready(FOUR)
    root.command("restart", "feed")
    after = root.children()

    assert after["feed"]["state"] == "ready"
    assert after["feed"]["pid"] != before["feed"]["pid"]
    assert after["feed"]["restarts"] == 0
    assert after["feed"]["last_exit"]["reason"] == "restarted"
    assert after["broker"]["pid"] == before["broker"]["pid"]


@pytest.mark.req("O3")
def test_stopped_child_stays_down_until_it_is_started(start: Start) -> None:
    """stop feed: stopped and not wanted, status is still 0; start feed brings it back."""
    root = start("--config", "demo")
    root.wait_ready(FOUR)
    root.command("stop", "feed")
    feed = root.children()["feed"]
    assert (feed["state"], feed["wanted"], feed["pid"]) == ("stopped", False, None)
    assert root.command("status").returncode == 0

    root.command("start", "feed")
    assert root.children()["feed"]["state"] == "ready"


@pytest.mark.req("O3")
def test_unknown_name_is_an_error_with_the_nearest_match(start: Start) -> None:
    """supervisor restart fed: says that there is no such child, and means feed."""
    root = start("--config", "demo")
    root.wait_ready(FOUR)
    done = root.command("restart", "fed", check=False)

    assert done.returncode != 0
    assert "'feed'" in done.stderr


@pytest.mark.req("S7")
@pytest.mark.leaves_sockets
def test_kill_of_the_root_takes_everything_and_the_next_start_just_works(start: Start) -> None:
    """kill -9 of the root: all gone; the next start goes on where the books were."""
    root = start("--config", "demo")
    root.wait_ready(FOUR)
    wait_until(lambda: fills(root), what="a trade")
    root.kill()
    wait_until(lambda: not root.living(), what="everything to be gone", state=root.living)
    before = fills(root)

    again = start("--config", "demo")
    again.wait_ready(FOUR)
    wait_until(lambda: len(fills(again)) > len(before), what="another trade")
    assert fills(again)[: len(before)] == before


@pytest.mark.req("O1")
@pytest.mark.req("S8")
def test_detached_start_returns_when_all_are_ready_and_stop_ends_it(
    start: Start, state_dir: Path, runtime_dir: Path
) -> None:
    """start --detach: 0 with four ready children; stop: 0 and nothing left."""
    root = start("--config", "demo", "--detach")
    assert root.process.wait(60) == 0, root.said()
    assert set(root.states().values()) == {"ready"}

    root.command("stop")
    wait_until(lambda: not root.living(), what="everything to be gone", state=root.living)
    assert root.command("status", check=False).returncode == 4


@pytest.mark.req("H4")
@pytest.mark.req("O4")
def test_logs_are_json_lines_and_readable_when_the_root_is_gone(start: Start) -> None:
    """One file a process and one of all; `supervisor logs` shows them after the end."""
    root = start("--config", "demo")
    root.wait_ready(FOUR)
    wait_until(lambda: fills(root), what="a trade")
    root.interrupt()

    for name in (*FOUR, "root", "system"):
        lines = (root.state_dir / "log" / f"{name}.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        assert records, name
        assert all({"time", "level", "process", "message"} <= set(record) for record in records)
    shown = root.command("logs", "broker", "-n", "1000").stdout
    assert "order filled" in shown
