"""A real root in a process and a directory of its own, followed by its live stream of events."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq

from protocol.codec import BROADCAST, EVENTS, OPERATOR_REPLY, OPERATOR_REQUEST
from protocol.errors import NoAnswer
from protocol.messages.operator import AskStatus, StatusIs
from protocol.messages.stream import Live
from protocol.places import endpoint, runtime_dir
from protocol.transport.zeromq import ask

PATIENCE_S = 120.0
ROOM = Path(__file__).resolve().parents[2]
Moments = dict[str, tuple[int, float]]
"""By child: the pid, and the monotonic time at which the news of it arrived here."""


class TooSlow(Exception):
    """Something did not happen in time; nothing can be measured."""


class Tree:
    """A running root. ``pids`` knows every child that was reported ready; waiting keeps it up to date."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.state_dir = directory / "state"
        self.pids: dict[str, int] = {}
        self._pause = 0.02
        self._sockets = runtime_dir(self.state_dir)
        self._context = zmq.Context()
        self._events = self._context.socket(zmq.SUB)
        self._events.setsockopt(zmq.SUBSCRIBE, b"")
        self._events.setsockopt(zmq.RCVHWM, 0)
        self._events.setsockopt(zmq.RECONNECT_IVL, 5)
        self._events.connect(endpoint(self._sockets, "root", "live"))
        command = [
            sys.executable,
            "-m",
            "supervisor",
            "start",
            "--state-dir",
            str(self.state_dir),
            *arguments,
        ]
        self._said = (directory / "console.txt").open("wb+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said, start_new_session=True
        )

    def wait_ready(self, wanted: int) -> Moments:
        """Wait until so many children have become ready since the last call; when the news of each came."""
        seen: Moments = {}
        deadline = time.monotonic() + PATIENCE_S
        while len(seen) < wanted:
            for child, pid in self._next_ready(deadline):
                seen[child] = (pid, time.monotonic())
        self.pids.update({child: pid for child, (pid, _) in seen.items()})
        return seen

    def _next_ready(self, deadline: float) -> Iterator[tuple[str, int]]:
        if not self._events.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TooSlow(f"children did not become ready; the root said:\n{self.said()}")
        _, message = BROADCAST.decode(self._events.recv())
        for record in message.records if isinstance(message, Live) else ():
            event = EVENTS.decode(record.body)
            if event.event == "ready" and event.child is not None and event.pid is not None:
                yield event.child, event.pid

    def status(self, patience_s: float = 10.0) -> tuple[dict[str, Any], float]:
        """The status object, and the seconds that the question took."""
        began = time.monotonic()
        frame = OPERATOR_REQUEST.encode(AskStatus("bench"))
        where = endpoint(self._sockets, "root", "operator")
        reply = ask(where, frame, timeout=patience_s, max_bytes=OPERATOR_REPLY.max_bytes)
        took = time.monotonic() - began
        _, message = OPERATOR_REPLY.decode(reply)
        assert isinstance(message, StatusIs)
        return message.status, took

    def wait_all_ready(self, wanted: int) -> None:
        """Wait by asking, for the time before the live stream is joined."""
        deadline = time.monotonic() + PATIENCE_S
        while len(pids := self._asked_patiently()) < wanted:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise TooSlow(f"the tree did not come up; the root said:\n{self.said()}")
            time.sleep(self._pause)
        self.pids.update(pids)
        while self._events.poll(0):
            self._events.recv()

    def _asked_patiently(self) -> dict[str, int]:
        try:
            status, took = self.status(0.2)
            # The question must not be what the root is busy with.
            self._pause = max(0.02, 20 * took)
            children = status["children"]
            return {child["id"]: child["pid"] for child in children if child["state"] == "ready"}
        except NoAnswer:
            return {}

    def said(self) -> str:
        """What the root wrote to its terminal."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")

    def stop(self) -> None:
        """Stop it in order, however long that takes."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)

    def end(self) -> None:
        """Leave nothing of it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._said.close()
        self._context.destroy(0)


@contextmanager
def tree(text: str, *arguments: str) -> Iterator[Tree]:
    """Run a root on the tree file with this text, in a directory that is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    os.environ["SUPERVISOR_RUNTIME_DIR"] = str(directory / "run")
    file = directory / "tree.toml"
    file.write_text(text)
    running = Tree(directory, "--config", str(file), *arguments)
    try:
        yield running
        running.stop()
    finally:
        running.end()
        shutil.rmtree(directory, ignore_errors=True)
