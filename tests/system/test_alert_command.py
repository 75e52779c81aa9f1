"""``alert_command`` with a real root: it is run once for each alert, and its own failures are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess

PARKS = '[[child]]\nid = "bad"\nno_restart_exit_codes = [9]\ncommand = ["sh", "-c", "exit 9"]\n'


@pytest.mark.req("N5")
def test_alert_goes_out_once_without_a_notifier(tmp_path: Path, state_dir: Path, runtime_dir: Path) -> None:
    """The event comes on stdin as JSON and the sentence as the last argument; a sender that fails is told."""
    sender = tmp_path / "sender"
    sender.write_text(f'#!/bin/sh\ncat >> {tmp_path}/stdin; echo "$1|$2" >> {tmp_path}/said; exit 3\n')
    sender.chmod(0o755)
    tree = tmp_path / "tree.toml"
    head = f'[supervisor]\nalert_command = ["{sender}", "--urgent"]\nalert_after = "0s"\n'
    tree.write_text(head + PARKS)
    root = RootProcess(state_dir, runtime_dir, "--config", str(tree))
    try:
        wait_until(lambda: "alert_command" in root.said(), what="the end of the sender", state=root.said)
    finally:
        root.interrupt()
    wait_until(lambda: not root.living(), what="everything to be gone", state=root.living)

    assert json.loads((tmp_path / "stdin").read_text())["child"] == "bad"
    (line,) = (tmp_path / "said").read_text().splitlines()
    assert line.startswith("--urgent|bad is parked")
    assert "ended with code 3; not told: bad is parked" in root.said()
