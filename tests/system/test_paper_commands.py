"""What an operator tells a running tree is done there; and one worker runs alone, where no root does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from tests.support.deadline import wait_until
from tests.system.conftest import Start
from tests.workers.strategy.trees import tree
from workers.paper import cli

BROKER: Final = """
[[child]]
id = "broker"
start = "workers.broker:main"
shutdown = "2s"
"""
QUIET: Final = "parameters = { fast = 998, slow = 999 }"
"""A strategy that does nothing meanwhile."""


def paper(state_dir: Path, *words: str) -> Result:
    """Run the command in this process, against whatever runs there."""
    return CliRunner().invoke(cli, [*words, "--state-dir", str(state_dir)])


def told(state_dir: Path, *words: str) -> str:
    """Tell the broker something; what it made of it."""
    result = paper(state_dir, *words, "--json")
    return str(json.loads(result.stdout)["outcome"])


def listed(state_dir: Path, *words: str) -> list[dict[str, Any]]:
    """The objects that a command lists."""
    return [json.loads(line) for line in paper(state_dir, *words, "--json").stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.req("O6", "B6")
def test_what_a_running_tree_is_told_is_done(start: Start, tmp_path: Path, state_dir: Path) -> None:
    """Pause, resume, orders by hand, cancels and the kill switch, each seen in the books that follow."""
    file = tmp_path / "tree.toml"
    file.write_text(tree("ma_cross", more=QUIET, speed="600") + BROKER)
    root = start("--config", str(file))
    root.wait_ready(["feed", "strategy", "broker"])
    wait_until(lambda: paper(state_dir, "report").exit_code == 0, what="a price", state=root.said)

    assert told(state_dir, "pause") == "done"
    why = "denied: paused, no new entries: operator, paused by cli"
    assert told(state_dir, "order", "buy", "0.01", "--yes") == why
    assert [one["code"] for one in listed(state_dir, "orders")] == ["paused"]
    assert told(state_dir, "resume") == "done"

    assert told(state_dir, "order", "buy", "0.01", "--yes") == "accepted"
    held = wait_until(lambda: listed(state_dir, "positions"), what="a position", state=root.said)
    assert [one["quantity"] for one in held] == ["0.01"]

    for price in ("1", "2"):
        assert told(state_dir, "order", "buy", "0.01", "--limit", price, "--yes") == "accepted"
    first, second = (one["client_order_id"] for one in listed(state_dir, "orders")[-2:])
    assert told(state_dir, "cancel", first) == "done"
    assert [(one["target"], one["status"]) for one in listed(state_dir, "cancels")] == [(first, "done")]
    assert told(state_dir, "kill-switch", "on") == "done"

    wait_until(lambda: not listed(state_dir, "positions"), what="it to be closed", state=root.said)
    report = json.loads(paper(state_dir, "report", "--json").stdout)
    assert [(one["state"], one["trigger"]) for one in report["trading"]] == [("halted", "kill_switch")]
    assert (report["trades"], list(report["by_reason"])) == (1, ["kill_switch"])
    ends = {one["client_order_id"]: (one["status"], one["code"]) for one in listed(state_dir, "orders")}
    assert [ends[first][0], ends[second]] == ["cancelled", ("cancelled", "kill_switch")]
    assert told(state_dir, "order", "buy", "0.01", "--yes").startswith("denied: ")

    refused = paper(state_dir, "run", "feed", "--config", str(file))
    assert (refused.exit_code, "a root runs on" in refused.output) == (1, True)


@pytest.fixture
def worker(tmp_path: Path, state_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """A feed that runs alone."""
    file = tmp_path / "tree.toml"
    file.write_text(tree("ma_cross", speed="600") + BROKER)
    code = "import sys; from workers.paper import main; sys.argv[0] = 'paper'; main()"
    command = ["run", "feed", "--config", str(file), "--state-dir", str(state_dir), "--set", "feed.speed=60"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.req("O6")
def test_a_worker_runs_alone_until_ctrl_c(
    worker: subprocess.Popen[str], tmp_path: Path, state_dir: Path
) -> None:
    """With its own journal; no root and no second one of its name meanwhile."""
    assert worker.stdout is not None
    lines = iter(worker.stdout.readline, "")
    said = next(line for line in lines if "candle closed" in line)
    assert json.loads(said.removeprefix("\x1e"))["process"] == "feed"

    again = paper(state_dir, "run", "feed", "--config", str(tmp_path / "tree.toml"))
    assert (again.exit_code, "alone" in again.output) == (1, True)
    named = ("--config", str(tmp_path / "tree.toml"), "--state-dir", str(state_dir))
    root = subprocess.run(
        [sys.executable, "-m", "supervisor", "start", *named],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "is in use by another root" in root.stderr

    worker.send_signal(signal.SIGINT)
    assert worker.wait(20) == 0
    assert (state_dir / "data" / "feed.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("child", "says"), [("fed", 'did you mean "feed"'), ("shell", "is a command"), ("lost", "cannot be used")]
)
def test_what_cannot_run_alone_is_refused_in_words(
    tmp_path: Path, state_dir: Path, child: str, says: str
) -> None:
    """Nothing is written for a child that is none."""
    file = tmp_path / "tree.toml"
    others = '[[child]]\nid = "shell"\ncommand = ["true"]\n[[child]]\nid = "lost"\nstart = "nowhere:main"\n'
    file.write_text(tree("ma_cross") + others)
    result = paper(state_dir, "run", child, "--config", str(file))

    assert result.exit_code in {1, 2}
    assert says in result.output
