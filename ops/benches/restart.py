"""kill -9 to ready again.

A worker is ready when a listener on the tree's live events has heard so. A command is ready when it runs,
which it tells by itself; ``restart.command.told`` is when the listener has heard of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ops.benches import demo
from ops.benches.floors import bare_commands, bare_forkserver
from ops.benches.row import Row, percentile
from ops.benches.running import Tree, tree
from ops.benches.witness import Witness

REST_S = 0.01
"""Between two kills: the root has done all that follows from the last one, and nobody waits for it."""
PRELOAD = ["ops.benches.trivial", "workers.shared"]
Sample = Callable[[], float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how often each child is killed."""
    parser.add_argument("--samples", type=int, default=200, help="kills of each child")


def run(options: argparse.Namespace) -> Iterator[Row]:
    """Kill one child after the other, and between them measure the floor."""
    samples = options.samples
    with bare_forkserver(PRELOAD) as forkserver, bare_commands() as commands:
        yield from _worker(forkserver.sample, samples)
        yield from _command(commands.sample, samples)
        with tree(demo.text(), *demo.options()) as running:
            running.wait_all_ready(len(demo.ROLES))
            for role in demo.ROLES:
                taken, floors = _measure(
                    lambda role=role: _kill(running, role), forkserver.sample, samples // 4
                )
                yield _row(role, 50, taken, floors)


def _worker(floor: Sample, samples: int) -> Iterator[Row]:
    with tree(_file('start = "ops.benches.trivial:main"')) as running:
        running.wait_all_ready(1)
        taken, floors = _measure(lambda: _kill(running, "child"), floor, samples)
    for percent in (50, 95):
        yield _row("worker", percent, taken, floors)


def _command(floor: Sample, samples: int) -> Iterator[Row]:
    told: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        witness = Witness(Path(directory))

        def kill() -> float:
            began = time.monotonic()
            took = witness.kill(running.pids["child"])
            told.append(running.wait_ready(1)["child"][1] - began)
            return took

        with tree(_file(f"command = {json.dumps(witness.command)}")) as running:
            running.wait_all_ready(1)
            witness.wait()
            taken, floors = _measure(kill, floor, samples)
        witness.close()
    for percent in (50, 95):
        yield _row("command", percent, taken, floors)
    yield _row("command.told", 50, told, floors)


def _measure(product: Sample, floor: Sample, samples: int) -> tuple[list[float], list[float]]:
    taken, floors = [], []
    for _ in range(samples):
        time.sleep(REST_S)
        floors.append(floor())
        time.sleep(REST_S)
        taken.append(product())
    return taken, floors


def _kill(running: Tree, child: str) -> float:
    began = time.monotonic()
    os.kill(running.pids[child], signal.SIGKILL)
    return running.wait_ready(1)[child][1] - began


def _row(name: str, percent: int, taken: list[float], floors: list[float]) -> Row:
    value, floor = (1000 * percentile(times, percent) for times in (taken, floors))
    return Row(f"restart.{name}.p{percent}", value, "ms", floor, len(taken))


def _file(program: str) -> str:
    return f'[supervisor]\npreload = {PRELOAD}\n\n[[child]]\nid = "child"\n{program}\n{demo.NO_LIMITS}'
