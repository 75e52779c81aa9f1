"""A root that a test has started does not outlive the tests."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.host.proctable import ProcessTable
from tests.support.deadline import wait_until
from tests.support.rootprocess import LIFELINE

TESTS = """
import pathlib, signal, sys
from tests.support.rootprocess import RootProcess
root = RootProcess(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), "--config", sys.argv[3])
print(root.process.pid, flush=True)
signal.pause()
"""
TREE = '[supervisor]\npreload = []\n\n[[child]]\nid = "c"\ncommand = ["sleep", "1000"]\n'


def children(pid: int) -> list[int]:
    """The children of a process."""
    return [stat.pid for stat in ProcessTable().children(pid)]


def living(pids: list[int]) -> list[int]:
    """Those that have not ended."""
    found = [ProcessTable().stat(pid) for pid in pids]
    return [stat.pid for stat in found if stat is not None and not stat.zombie]


@pytest.mark.req("S7")
@pytest.mark.leaves_sockets
@pytest.mark.skipif(not LIFELINE, reason="there is no setpriv")
def test_root_ends_with_the_tests_that_are_killed(state_dir: Path, runtime_dir: Path, tmp_path: Path) -> None:
    """Trees lived on for hours on a machine where pytest had been killed from outside."""
    file = tmp_path / "tree.toml"
    file.write_text(TREE)
    command = [sys.executable, "-c", TESTS, str(state_dir), str(runtime_dir), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        root = int(tests.stdout.readline())
        tree = [root, *wait_until(lambda: children(root), what="the root to be at work")]
        tests.send_signal(signal.SIGKILL)

    wait_until(lambda: not living(tree), what="the tree to end", state=lambda: living(tree))
