"""A real root that fails in several ways, explains itself, and speaks to its service manager."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.deadline import wait_until
from tests.support.fakesystemd import FakeSystemd
from tests.support.rootprocess import RootProcess
from tests.system.conftest import Start

SLOW = 'backoff = { initial = "60s", max = "60s" }'
FAILING = f"""
[supervisor]
health = "100ms"
[[child]]
id = "victim"
command = ["sh", "-c", "echo I live; exec sleep 60"]
{SLOW}
[[child]]
id = "unfit"
command = ["sh", "-c", "echo my key is missing; exit 78"]
[[child]]
id = "absent"
command = ["sh", "-c", "no-such-program"]
{SLOW}
[[child]]
id = "good"
command = ["sleep", "60"]
"""
TOLD = f"""
[[child]]
id = "curious"
command = ["sh", "-c", "env; exec sleep 60"]
[[child]]
id = "broken"
command = ["false"]
{SLOW}
"""


def why(root: RootProcess, name: str) -> dict[str, Any]:
    """Ask for the object."""
    return dict(json.loads(root.command("why", name, "--json").stdout))


def root_log(root: RootProcess) -> list[dict[str, Any]]:
    """What the root itself has logged; the last line may still be in writing."""
    path = root.state_dir / "log" / "root.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


@pytest.mark.req("H1", "S11")
def test_a_tree_explains_itself(start: Start, tree_file: Callable[[str], str]) -> None:
    """Killed, unfit, command not found, stopped by an operator: each in words, with what comes next; also
    from disk after the root is gone. The health line names who is not well."""
    root = start("--config", tree_file(FAILING))
    victim = root.wait_ready(["victim", "good"])["victim"]
    os.kill(victim["pid"], signal.SIGKILL)
    root.command("stop", "good")
    expected = {"victim": "backoff", "unfit": "parked", "absent": "backoff", "good": "stopped"}
    wait_until(lambda: root.states() == expected, what="all to have failed", state=root.said)

    killed = why(root, "victim")
    assert killed["last_exit"]["signal"] == "SIGKILL"
    assert killed["last_exit"]["oom"] is False
    assert killed["pattern"]["kinds"] == {"killed (SIGKILL)": 1}
    assert killed["next"]["what"] == "start"
    assert 0 < killed["next"]["within"] <= 66
    assert [line["message"] for line in killed["log"]] == ["I live"]
    unfit = why(root, "unfit")
    assert "a person must look" in unfit["last_exit"]["words"]
    assert unfit["log"][-1]["message"] == "my key is missing"
    assert (unfit["state"], unfit["next"]["what"]) == ("parked", "operator")
    assert "command not found" in why(root, "absent")["last_exit"]["words"]
    assert "an operator" in why(root, "good")["last_exit"]["by"]
    wait_until(lambda: any(_names(line, "unfit") for line in root_log(root)), what="the health line")

    root.process.send_signal(signal.SIGTERM)
    assert root.process.wait(20) == 0
    after = why(root, "unfit")
    assert (after["root_running"], after["next"]["what"]) == (False, "operator")
    assert "my key is missing" in root.command("why", "unfit").stdout


def _names(line: dict[str, Any], child: str) -> bool:
    unwell = line.get("unwell", {})
    return bool(line["message"] == "health" and unwell.get(child) == "parked: config")


@pytest.mark.req("X3", "O5")
@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_root_speaks_to_systemd(
    start: Start,
    tree_file: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """Ready though a child failed at its first start, status in words, beats, and the word of the end; the
    children know nothing of it."""
    address = str(tmp_path / "notify") if kind == "path" else f"@supervisor-system-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    with FakeSystemd(address) as systemd:
        root = start("--config", tree_file(TOLD))
        wait_until(lambda: "READY=1" in systemd.told(), what="the root to be ready", state=root.said)
        wait_until(lambda: systemd.status() == "1 of 2 children ready; broken backoff", state=systemd.told)
        beats = systemd.told().count("WATCHDOG=1")
        wait_until(lambda: systemd.told().count("WATCHDOG=1") >= beats + 3, what="beats to go on")
        assert f"MAINPID={root.process.pid}" in systemd.told()
        root.process.send_signal(signal.SIGTERM)

        assert root.process.wait(20) == 0
        assert "STOPPING=1" in systemd.told()
    environment = (root.state_dir / "log" / "curious.jsonl").read_text()
    assert "SUPERVISOR_CHILD=curious" in environment
    assert address not in environment
    assert "WATCHDOG" not in environment


@pytest.mark.req("S11")
def test_who_stopped_the_tree_is_recorded(start: Start, tree_file: Callable[[str], str]) -> None:
    """`supervisor stop` is an event with a name, and the explanation of every end that follows."""
    root = start("--config", tree_file('[[child]]\nid = "good"\ncommand = ["sleep", "60"]\n'))
    root.wait_ready(["good"])
    root.command("stop")

    assert root.process.wait(20) == 0
    assert "an operator (`supervisor stop`)" in why(root, "good")["last_exit"]["by"]


@pytest.mark.req("H1")
@pytest.mark.leaves_sockets
def test_a_lost_root_is_told(start: Start, tree_file: Callable[[str], str]) -> None:
    """kill -9 of the root: no end was recorded, and that is the explanation."""
    root = start("--config", tree_file('[[child]]\nid = "good"\ncommand = ["sleep", "60"]\n'))
    root.wait_ready(["good"])
    root.kill()
    wait_until(lambda: not root.living(), what="everything to be gone", state=root.living)

    assert why(root, "good")["lost_with_root"] is True
    assert "the root itself ended without a word" in root.command("why", "good").stdout
