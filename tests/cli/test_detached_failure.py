"""start --detach with a child that cannot become ready: the reason at once, not "took too long"."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess

PARKED_AT_ONCE = (
    '[[child]]\nid = "good"\ncommand = ["sleep", "60"]\n'
    '[[child]]\nid = "bad"\nno_restart_exit_codes = [9]\n'
    'ready = "notify"\ncommand = ["sh", "-c", "exit 9"]\n'
    '[[child]]\nid = "talkative"\nno_restart_exit_codes = [9]\nready = "notify"\n'
    'command = ["sh", "-c", "echo Traceback \\\\(most recent call last\\\\): ; '
    'echo ValueError: no such account; exit 9"]\n'
)


@pytest.mark.req("O1")
def test_a_child_parked_at_once_is_told_at_once(tmp_path: Path, state_dir: Path, runtime_dir: Path) -> None:
    """Exit status 1 with the child and its last words, long before the time is over; the root goes on."""
    tree = tmp_path / "tree.toml"
    tree.write_text(PARKED_AT_ONCE)
    begun = time.monotonic()
    root = RootProcess(state_dir, runtime_dir, "--detach", "--config", str(tree))
    try:
        assert root.process.wait(60) == 1, root.said()
        assert time.monotonic() - begun < 25
        assert "bad is parked: config (code 9)" in root.said()
        assert "talkative is parked: ValueError: no such account" in root.said()
        assert "supervisor stop" in root.said()
        assert root.states() == {"good": "ready", "bad": "parked", "talkative": "parked"}
    finally:
        root.command("stop", check=False)
    wait_until(lambda: not root.living(), what="everything to be gone", state=root.living)
