"""A tree of N trivial children: start, cost at rest, all killed at once, status meanwhile, stop."""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
from collections.abc import Iterator

import psutil

from ops.benches.floors import bare_commands
from ops.benches.processes import cpu_s, family, rss_kib
from ops.benches.row import Row, percentile
from ops.benches.running import PATIENCE_S, TooSlow, Tree, tree

QUESTIONS = 50
PRELOAD = ["ops.benches.trivial", "workers.shared"]
CHILDREN = {"command": 'command = ["sleep", "1000000"]', "worker": 'start = "ops.benches.trivial:main"'}
HEAD = f"""
[supervisor]
preload = {PRELOAD}
max_restarts = 1000000
period = "1s"
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how many children of which kind."""
    parser.add_argument("children", metavar="N", type=int, help="how many children")
    parser.add_argument("--kind", choices=CHILDREN, default="command", help="commands or Python workers")
    parser.add_argument(
        "--rest", type=float, default=5.0, help="seconds in which it is left alone to see its cost"
    )


def run(options: argparse.Namespace) -> Iterator[Row]:
    """Play the life of the tree once; floors are bare starts one after the other, as many as children."""
    count = options.children
    with bare_commands() as commands:
        floor = sum(commands.sample() for _ in range(count))
        with tree(_file(1, options.kind)) as running:
            running.wait_all_ready(1)
            alone = rss_kib(running.process.pid)
        began = time.monotonic()
        with tree(_file(count, options.kind)) as running:
            running.wait_all_ready(count)
            yield Row("scale.start", time.monotonic() - began, "s", floor, 1)
            yield from _at_rest(running, options.rest, alone)
            yield from _killed_at_once(running, floor)
            yield from _stopped(running)


def _at_rest(running: Tree, rest_s: float, alone: float) -> Iterator[Row]:
    answers = [1000 * running.status()[1] for _ in range(QUESTIONS)]
    yield Row("scale.status", percentile(answers, 50), "ms", None, len(answers))
    root = running.process.pid
    before, began = cpu_s([root]), time.monotonic()
    time.sleep(rest_s)
    share = (cpu_s([root]) - before) / (time.monotonic() - began)
    yield Row("scale.cpu.root", 100 * share, "%", None, 1)
    yield Row(
        "scale.memory.root", (rss_kib(root) - alone) / max(1, len(running.pids) - 1), "KiB a child", None, 1
    )


def _killed_at_once(running: Tree, floor: float) -> Iterator[Row]:
    count = len(running.pids)
    answers: list[float] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.25):
            answers.append(1000 * running.status()[1])

    asker = threading.Thread(target=ask)
    began = time.monotonic()
    for pid in running.pids.values():
        os.kill(pid, signal.SIGKILL)
    asker.start()
    moments = running.wait_ready(count)
    over.set()
    asker.join()
    yield Row("scale.back", max(at for _, at in moments.values()) - began, "s", floor, 1)
    if answers:
        yield Row("scale.status.meanwhile", percentile(answers, 50), "ms", None, len(answers))
        yield Row("scale.status.meanwhile.worst", max(answers), "ms", None, len(answers))


def _stopped(running: Tree) -> Iterator[Row]:
    everybody = family(running.process.pid)
    began = time.monotonic()
    running.stop()
    yield Row("scale.stop", time.monotonic() - began, "s", None, 1)
    deadline = time.monotonic() + PATIENCE_S
    while left := [pid for pid in everybody if psutil.pid_exists(pid)]:
        if time.monotonic() > deadline:
            raise TooSlow(f"{len(left)} processes are left after the stop: {left[:10]}")
        time.sleep(0.01)


def _file(count: int, kind: str) -> str:
    children = (f'\n[[child]]\nid = "c{n:04}"\n{CHILDREN[kind]}\nshutdown = "5s"\n' for n in range(count))
    return HEAD + "".join(children)
