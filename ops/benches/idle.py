"""What a tree costs that has nothing to do: the demo's four workers at the end of their recording."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ops.benches import demo
from ops.benches.processes import cpu_s, family, pss_mib
from ops.benches.row import Row
from ops.benches.running import PATIENCE_S, TooSlow, Tree, tree


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how long to look."""
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the CPU time is counted")


def run(options: argparse.Namespace) -> Iterator[Row]:
    """Measure root and tree beside a bare tree: the same libraries, each process waking once a second."""
    settings = demo.options(on_end="idle", speed="max")
    with _bare_tree() as bare, tree(demo.text(), *settings) as running:
        running.wait_all_ready(len(demo.ROLES))
        _wait_until_done(running)
        root = running.process.pid
        sets = {"root": ([root], [bare]), "tree": (family(root), family(bare))}
        before = {name: [cpu_s(pids) for pids in both] for name, both in sets.items()}
        time.sleep(options.seconds)
        for name, both in sets.items():
            used = [cpu_s(pids) - then for pids, then in zip(both, before[name], strict=True)]
            value, floor = (1000 * seconds * 60 / options.seconds for seconds in used)
            yield Row(f"idle.cpu.{name}", value, "ms a minute", floor, 1)
        for name, (ours, others) in sets.items():
            yield Row(f"idle.pss.{name}", pss_mib(ours), "MiB", pss_mib(others), 1)


def _wait_until_done(running: Tree) -> None:
    deadline = time.monotonic() + PATIENCE_S
    seen: object = None
    while (now := _work_done(running.status()[0])) != seen:
        if time.monotonic() > deadline:
            raise TooSlow(f"the recording did not come to its end: {now}")
        seen = now
        time.sleep(2.0)  # longer than beats are apart


def _work_done(status: dict[str, Any]) -> dict[str, Any]:
    """What the workers have counted, but for what counts on while nothing is done."""
    idle = {"loops": 0, "last_heartbeat": None}
    return {child["id"]: {**child["counters"], **idle} for child in status["children"]}


@contextmanager
def _bare_tree() -> Iterator[int]:
    command = [sys.executable, "-m", "ops.benches.bare_tree"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its bare children would outlive it
        process.communicate()
