"""A defect inside the root: it does not guess, it ends, and everything with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deadline import wait_until

BROKEN = """
import os

from supervisor import Child, Supervisor
from supervisor.host.orphans import Orphans


def bury(*_):
    raise RuntimeError("defect in the burial")


Orphans.bury = bury
report = ["sh", "-c", "echo $$ > pid.new; mv pid.new pid; exec sleep 1000"]
Supervisor([Child("steady", command=report), Child("fails", command=["false"])]).run()
"""


@pytest.mark.req("S7")
@pytest.mark.usefixtures("runtime_dir")
def test_defect_in_the_task_of_one_child_ends_the_root(tmp_path: Path) -> None:
    """It was one line in the log, and that child was dead for ever: now traceback, exit 1, nobody left."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        [sys.executable, "-c", BROKEN], cwd=tmp_path, env=environment, check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert (ended.returncode, "RuntimeError: defect in the burial" in ended.stderr) == (1, True)
    pid_file = tmp_path / "pid"
    if pid_file.exists():  # else it was not there yet when everything ended
        wait_until(lambda: not Path(f"/proc/{pid_file.read_text().strip()}").exists(), what="the end of all")
