"""A signal while `supervisor start` is still on its way: status 0, nothing started, no traceback."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

MOMENTS = (
    "import click", "import supervisor.config", "import supervisor.cli._importable", "subprocess.Popen",
    "import supervisor.runtime", "import zmq", "sqlite3.connect", "socket.bind", "import asyncio.unix_events",
)  # fmt: skip
"""What `supervisor start` does on its way, as Python's audit events tell it, each the first time."""
CALLED_OFF = """\
import sys
from pathlib import Path
from supervisor.config import Source, Wishes, load
from supervisor.runtime import RunOptions, run
path, state = Path(sys.argv[1]), sys.argv[2]
source = Source(path=path, name="tree", demo=False, home=path.parent)
tree = load(source, environ={}, cwd=path.parent, wishes=Wishes(state_dir=state))
sys.exit(run(tree, RunOptions(called_off=lambda: True)))
"""
SIGNALLED = """\
import os, runpy, sys
moment, number, *words = sys.argv[1:]

def strike(event, arguments):
    global moment
    seen = f"import {arguments[0]}" if event == "import" else event
    if seen == moment:
        moment = None
        print("struck", flush=True)
        os.kill(os.getpid(), int(number))

sys.addaudithook(strike)
sys.argv = ["supervisor", *words]
runpy.run_module("supervisor", run_name="__main__", alter_sys=True)
"""


@pytest.mark.req("S8")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_on_the_way(tmp_path: Path, state_dir: Path, runtime_dir: Path, moment: str) -> None:
    """At whatever moment of the start it comes: status 0, no traceback, and no child is left."""
    ending = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    number = ending[MOMENTS.index(moment) % len(ending)]
    tree = tmp_path / "tree.toml"
    tree.write_text('[[child]]\nid = "one"\nstart = "tests.support.puppets:stops_on_term"\n')
    words = ["start", "--config", str(tree), "--state-dir", str(state_dir), "--duration", "1m"]
    root = subprocess.run(
        [sys.executable, "-c", SIGNALLED, moment, str(int(number)), *words],
        capture_output=True, text=True, timeout=60, check=False, start_new_session=True,
    )  # fmt: skip

    assert "struck" in root.stdout, root.stderr
    assert (root.returncode, "Traceback" in root.stderr) == (0, False), root.stderr


@pytest.mark.req("S8")
def test_console_script_blocks_signals_before_anything_heavy() -> None:
    """The installed command imported click first: TERM in those 40 ms killed it by the signal."""
    (script,) = entry_points(group="console_scripts", name="supervisor")

    assert script.value == "supervisor.__main__:main"
    assert shutil.which("supervisor", path=str(Path(sys.executable).parent))


@pytest.mark.req("S8")
def test_a_signal_noted_before_the_loop_takes_them(
    tmp_path: Path, state_dir: Path, runtime_dir: Path
) -> None:
    """The tree is never started: no child has left a trace, and the status is 0."""
    tree = tmp_path / "tree.toml"
    tree.write_text(f'[[child]]\nid = "one"\ncommand = ["touch", "{tmp_path}/trace"]\n')
    done = subprocess.run(
        [sys.executable, "-c", CALLED_OFF, str(tree), str(state_dir)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "trace").exists()
