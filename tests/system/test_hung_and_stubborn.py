"""Children that do not answer, and operators that insist. Hung ones: tests/supervision/test_watching.py."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.support.deadline import wait_until
from tests.system.conftest import Start

STUBBORN = """
[[child]]
id = "stubborn"
command = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]
shutdown = "infinity"
"""


@pytest.mark.req("S8")
def test_second_ctrl_c_stops_at_once(start: Start, tree_file: Callable[[str], str]) -> None:
    """A child that ignores TERM and may take for ever: the second Ctrl+C ends it all, exit 130."""
    root = start("--config", tree_file(STUBBORN))
    root.wait_ready(["stubborn"])
    root.process.send_signal(signal.SIGINT)
    wait_until(lambda: root.states().get("stubborn") == "stopping", what="the stop to begin")
    root.process.send_signal(signal.SIGINT)

    assert root.process.wait(20) == 130
    wait_until(lambda: not root.living(), what="everything to be gone", state=root.living)


@pytest.mark.req("S8")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signal_during_the_start_wins(start: Start, number: signal.Signals) -> None:
    """The moment the lock is held: one orderly end with 0, nothing left."""
    root = start("--config", "demo")
    wait_until(lambda: "root started" in root.said(), what="the root to begin")
    root.process.send_signal(number)

    assert root.process.wait(30) == 0, root.said()
    assert root.living() == []
