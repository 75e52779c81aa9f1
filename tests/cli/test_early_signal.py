"""A signal while `supervisor start` is still on its way: status 0, nothing started, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SPACED_S = (0.0, 0.12, 0.3)
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
CODE = (
    "import signal, sys\n"
    "from supervisor.__main__ import main\n"
    "sys.argv = ['supervisor', *sys.argv[1:]]\n"
    "print('here', flush=True)\n"
    "main()\n"
)


@pytest.mark.req("S8")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_in_the_first_half_second(
    tmp_path: Path, state_dir: Path, runtime_dir: Path, number: signal.Signals
) -> None:
    """However early it comes after the first statement of the command: 0, and no child has run for long."""
    tree = tmp_path / "tree.toml"
    tree.write_text('[[child]]\nid = "one"\ncommand = ["sleep", "60"]\n')
    arguments = ["start", "--config", str(tree), "--state-dir", str(state_dir)]
    for pause in SPACED_S:
        root = subprocess.Popen(
            [sys.executable, "-c", CODE, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert root.stdout is not None
        assert root.stdout.readline() == b"here\n"
        wait_for(pause)
        os.kill(root.pid, number)
        _, stderr = root.communicate(timeout=30)
        assert (root.returncode, b"Traceback" in stderr) == (0, False), (pause, stderr)


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


def wait_for(seconds: float) -> None:
    """Let a moment pass: the moment is what is tested here."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        signal.sigtimedwait([], left)
