"""A process that user code forks never becomes a second worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from pathlib import Path
from workers.strategy.api import Strategy, StrategyParameters
from workers.strategy.evaluation import asked, told
from workers.strategy.loading import complete, load
from workers.strategy.snapshot import snapshot_of

class Keeps(Strategy):
    def snapshot(self):
        return {"twin": os.fork()}

def fails():
    os.fork()
    raise ValueError

here = Path(sys.argv[1])
for name, enter in {
    "an answer": lambda: asked(lambda: os.fork() and ()),
    "an exception": lambda: asked(fails),
    "a word": lambda: told(os.fork),
    "a snapshot": lambda: snapshot_of(Keeps(StrategyParameters())),
    "an import": lambda: load("forking.py:Mine", {}, child="strategy", folder=here),
    "a search": lambda: complete("forking.py", folder=here),
}.items():
    enter()
    print(name, os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""
FORKING = """
import os
from workers.strategy.api import Strategy

os.fork()

class Mine(Strategy):
    pass
"""


@pytest.mark.req("T6")
def test_only_the_process_that_went_in_comes_back(tmp_path: Path) -> None:
    """Two of them would commit to one journal and read one another's sockets; the other says so and ends."""
    (tmp_path / "forking.py").write_text(FORKING)

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    entered = ["an answer", "an exception", "a word", "a snapshot", "an import", "a search"]
    assert ([f"{name} 70" for name in entered], 6) == (
        done.stdout.splitlines(),
        done.stderr.count("a worker cannot be two"),
    )
