"""The least that this machine needs: bare processes, without anybody who supervises them.

A floor is timed as its product is: from kill(2) to the moment at which the next process is known to run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import multiprocess
import zmq

_BARE_PYTHON = """
import os, sys, time
program = sys.argv[1]
for _ in sys.stdin:
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.execv(program, [program])
    os.waitpid(pid, 0)
    print(time.perf_counter() - began, flush=True)
"""


class BareCommands:
    """fork + exec + waitpid of ``true`` in a Python process that has imported nothing besides."""

    def __init__(self) -> None:
        program = next(path for path in ("/usr/bin/true", "/bin/true") if Path(path).exists())
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BARE_PYTHON, program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def sample(self) -> float:
        """Seconds for one."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> None:
        """End the bare Python."""
        self._process.communicate()


class BareForkserver:
    """A child of the forkserver that says one byte and waits; the forkserver has the same preloads."""

    def __init__(self, preload: list[str]) -> None:
        self._context = multiprocess.get_context("forkserver")
        self._context.set_forkserver_preload([*preload, __name__])
        self._child = self._start()

    def sample(self) -> float:
        """Seconds from kill(2) to the first byte of the next child."""
        began = time.perf_counter()
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.join()
        self._child = self._start()
        return time.perf_counter() - began

    def end(self) -> None:
        """End the child; the forkserver goes with this process."""
        self._child.kill()
        self._child.join()

    def _start(self) -> multiprocess.Process:
        here, there = self._context.Pipe(duplex=False)
        child = self._context.Process(target=_say_and_wait, args=(there,), daemon=True)
        child.start()
        there.close()
        here.recv_bytes()
        here.close()
        return child


def _say_and_wait(there: Connection) -> None:
    there.send_bytes(b"!")
    signal.pause()


@contextmanager
def bare_commands() -> Iterator[BareCommands]:
    """Have bare commands for a while."""
    floor = BareCommands()
    try:
        yield floor
    finally:
        floor.end()


@contextmanager
def bare_forkserver(preload: list[str]) -> Iterator[BareForkserver]:
    """Have a bare forkserver for a while."""
    floor = BareForkserver(preload)
    try:
        yield floor
    finally:
        floor.end()


_BARE_RELAY = """
import sys, zmq
context = zmq.Context()
source, target = context.socket(zmq.PULL), context.socket(zmq.PUSH)
source.bind(sys.argv[1])
target.connect(sys.argv[2])
while True:
    target.send(source.recv())
"""


class BareHops:
    """A small message from here through bare pyzmq processes and back, over so many hops of ipc."""

    def __init__(self, hops: int, folder: Path) -> None:
        names = [f"ipc://{folder}/{nth}" for nth in range(hops)]
        self._context = zmq.Context()
        self._home = self._context.socket(zmq.PULL)
        self._home.bind(names[-1])
        self._relays = [
            subprocess.Popen([sys.executable, "-c", _BARE_RELAY, *pair]) for pair in pairwise(names)
        ]
        self._out = self._context.socket(zmq.PUSH)
        self._out.connect(names[0])
        self.sample()

    def sample(self) -> float:
        """Seconds for one."""
        began = time.perf_counter()
        self._out.send(b"price")
        self._home.recv()
        return time.perf_counter() - began

    def end(self) -> None:
        """End the processes."""
        for relay in self._relays:
            relay.kill()
            relay.wait()
        self._context.destroy(0)


@contextmanager
def bare_hops(hops: int) -> Iterator[BareHops]:
    """Give the processes and end them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = BareHops(hops, Path(folder))
        try:
            yield made
        finally:
            made.end()
