"""Bad input: one clear sentence with the key or path and what to do; nothing started, nothing lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.deadline import wait_until
from tests.system.conftest import Start

WriteTree = Callable[[str], str]

SLEEPER = """
[[child]]
id = "sleeper"
command = ["sleep", "1000"]
"""
TALKER = """
[[child]]
id = "talker"
command = ["sh", "-c", "echo hello; exec sleep 1000"]
"""


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SLEEPER + 'restrat = "permanent"\n', ("restrat", "restart")),
        (SLEEPER + "shutdown = []\n", ("shutdown",)),
        ('[[child]]\nid = "a"\nstart = "no.such:main"\n', ("no.such:main", "a")),
        ('[[child]]\nid = "a"\nstart = "workers.feed:mian"\n', ("mian", "a")),
        ("[[child]\n", ("line",)),
    ],
)
def test_bad_tree_file_is_refused_before_anything_starts(
    start: Start, tree_file: WriteTree, text: str, words: tuple[str, ...]
) -> None:
    """Exit 2 or 1, a sentence with the key, no process."""
    root = start("--config", tree_file(text))

    assert root.process.wait(30) in {1, 2}
    assert all(word in root.said() for word in words), root.said()
    assert "Traceback" not in root.said()
    assert root.living() == []


@pytest.mark.req("S12")
def test_missing_tree_file_is_named(start: Start) -> None:
    """Exit 2 and the path."""
    root = start("--config", "/no/such/tree.toml")

    assert root.process.wait(30) == 2
    assert "/no/such/tree.toml" in root.said()


@pytest.mark.req("S12")
def test_state_directory_that_cannot_be_made_is_named(
    start: Start, tree_file: WriteTree, state_dir: Path
) -> None:
    """A file where the directory should be: exit 1, the path, no traceback."""
    state_dir.rmdir()
    state_dir.write_text("in the way")
    root = start("--config", tree_file(SLEEPER))

    assert root.process.wait(30) == 1
    assert str(state_dir) in root.said()
    assert "Traceback" not in root.said()


@pytest.mark.req("S6")
def test_bad_worker_section_parks_the_worker_with_its_sentence(start: Start) -> None:
    """An unknown key in [child.config]: exit code 78, parked at once, the key in last_error; others run."""
    root = start("--config", "demo", "--set", "feed.sped=3")

    def parked() -> bool:
        return root.states().get("feed") == "parked"

    wait_until(parked, 30, what="the feed to be parked", state=root.said)
    feed = root.children()["feed"]
    assert feed["last_exit"]["code"] == 78
    assert feed["last_exit"]["reason"] == "config"
    assert "sped" in feed["last_error"]
    assert feed["health"] == "critical"
    assert root.states()["broker"] == "ready"
    assert root.command("status", check=False).returncode == 3


@pytest.mark.req("S10")
@pytest.mark.req("S1")
def test_any_program_is_supervised_too(start: Start, tree_file: WriteTree) -> None:
    """A command child is ready at once, comes back when killed, and its output is in its log."""
    root = start("--config", tree_file(TALKER))
    before = root.wait_ready(["talker"])
    os.kill(before["talker"]["pid"], signal.SIGKILL)
    wait_until(lambda: root.children()["talker"]["restarts"] == 1, what="a restart")
    root.wait_ready(["talker"])

    log = root.state_dir / "log" / "talker.jsonl"
    wait_until(lambda: log.exists() and log.read_text().count('"hello"') == 2, what="two greetings")
    assert root.interrupt() == 0
    assert root.living() == []


@pytest.mark.req("S10")
def test_program_that_does_not_exist_is_refused_or_parked_with_a_sentence(
    start: Start, tree_file: WriteTree
) -> None:
    """The name of the program is in what the user sees."""
    root = start("--config", tree_file('[[child]]\nid = "ghost"\ncommand = ["/no/such/program"]\n'))

    def told() -> bool:
        return root.process.poll() is not None or root.states().get("ghost") == "parked"

    wait_until(told, 30, what="an end or a parked child", state=root.said)
    seen = root.said() if root.process.poll() is not None else str(root.children()["ghost"]["last_error"])
    assert "/no/such/program" in seen
