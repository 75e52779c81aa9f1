"""The launcher: a small process that runs commands for the root, and the guardian when the root dies.

It is single-threaded, so it may fork; it imports next to nothing, so that fork is cheap. It has a session
of its own, no PDEATHSIG, and only one reason to end: end-of-file on the socket that the root holds.
Then it kills whatever the root has left behind.

Over a SOCK_SEQPACKET socket go JSON objects:

    root -> launcher   {"op": "spawn", "tag", "argv", "environment", "directory", "user", "nice",
                        "open_files", "strict"} and one descriptor, the command's stdout and stderr
                       {"op": "track" | "untrack", "session"}    a session to kill when the root is gone
                       {"op": "tidy", "path"}                    a directory to remove then
    launcher -> root   {"op": "spawned", "tag", "pid"}           the exec succeeded
                       {"op": "failed", "tag", "sentence", "permanent"}
                       {"op": "exited", "tag", "status"}         as waitpid gives it

Run by :mod:`supervisor.host.launcher_client` as ``python -I -S``. Standard library and leaves only.
"""

# pathlib would double what the launcher imports.
# ruff: noqa: PTH106, PTH108, PTH208

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable

from supervisor.host import marks
from supervisor.host.killing import kill_group, kill_process
from supervisor.host.newborn import LARGEST_ORDER, Newborn
from supervisor.host.prctl import set_name
from supervisor.host.proctable import ProcessTable

LARGEST_MESSAGE = LARGEST_ORDER
_HELD_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
_QUIET = 0.01
"""Seconds without an order before the reserve is filled: the command just started wants the core now."""
_SWEEP_INTERVAL = 0.005
_SWEEP_PATIENCE = 10.0


def main(descriptor: int, root: str) -> None:
    """Serve the root with that identity over the socket until it closes; then clean up after it."""
    # Blocked, not ignored: a command must neither inherit the ignoring nor lose what hits it at birth.
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    set_name("sv-launcher")
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=descriptor)
    channel.set_inheritable(False)
    launcher = Launcher(channel)
    launcher.serve()
    launcher.close()
    Guardian(root, ProcessTable()).clean_up(launcher.sessions)
    remove_directories(launcher.directories)


class Launcher:
    """Forks commands, tells how they fare, and remembers which sessions the root has.

    From the first command on, one newborn process waits in reserve for its order: to fork takes half the
    time of a start, which a restart then need not wait for.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._selector = selectors.DefaultSelector()
        self._running = True
        self._reserve: Newborn | None = None
        self._reserve_due = False
        self.sessions: set[int] = set()
        self.directories: set[str] = set()

    def serve(self) -> None:
        """Work until the root is gone."""
        self._selector.register(self._channel, selectors.EVENT_READ, self._hear)
        while self._running:
            ready = self._selector.select(_QUIET if self._reserve_due else None)
            for key, _ in ready:
                key.data()
            if not ready:
                self._fill_reserve()

    def close(self) -> None:
        """End the process in reserve."""
        if self._reserve is not None:
            self._reserve.end()

    def _fill_reserve(self) -> None:
        self._reserve_due = False
        # Where nothing can be forked now, the next command will try, and tell if it fails as well.
        with contextlib.suppress(OSError):
            self._reserve = Newborn.fork()

    def _hear(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, LARGEST_MESSAGE, 1)
        except ConnectionError:
            data, descriptors = b"", []
        if not data:
            self._running = False
            return
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
        message = json.loads(data)
        match message["op"]:
            case "spawn":
                self._spawn(data, message["tag"], descriptors[0])
            case "track":
                self.sessions.add(message["session"])
            case "untrack":
                self.sessions.discard(message["session"])
            case "tidy":
                self.directories.add(message["path"])

    def _spawn(self, order: bytes, tag: int, output: int) -> None:
        try:
            newborn = self._ordered(order, output)
        except OSError as error:
            self._say(op="failed", tag=tag, sentence=f"cannot fork: {error.strerror}", permanent=False)
            return
        finally:
            os.close(output)
        self.sessions.add(newborn.pid)
        self._watch(newborn.report, lambda: self._settle(newborn.report, tag, newborn.pid))

    def _ordered(self, order: bytes, output: int) -> Newborn:
        """A process that has got the order: the one in reserve, or a new one. OSError when there is none."""
        reserve, self._reserve = self._reserve, None
        if reserve is not None:
            try:
                reserve.tell(order, output)
            except ConnectionError:  # somebody has killed it
                reserve.end()
            else:
                return reserve
        newborn = Newborn.fork()
        newborn.tell(order, output)
        return newborn

    def _settle(self, report: int, tag: int, pid: int) -> None:
        """The child closed its report: silently by exec, or after it told why there is none."""
        told = os.read(report, LARGEST_MESSAGE)
        self._unwatch(report)
        self._reserve_due = self._reserve is None
        if told:
            os.waitpid(pid, 0)
            self.sessions.discard(pid)
            self._say(op="failed", tag=tag, **json.loads(told))
            return
        self._say(op="spawned", tag=tag, pid=pid)
        end = os.pidfd_open(pid)
        self._watch(end, lambda: self._bury(end, tag, pid))

    def _bury(self, end: int, tag: int, pid: int) -> None:
        # While the leader is unreaped its number, and so that of its group, cannot be somebody else's.
        kill_group(pid)
        self._say(op="exited", tag=tag, status=os.waitpid(pid, 0)[1])
        self._unwatch(end)

    def _watch(self, descriptor: int, react: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, react)

    def _unwatch(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)

    def _say(self, **message: object) -> None:
        try:
            self._channel.send(json.dumps(message).encode("ascii"))
        except ConnectionError:
            self._running = False


class Guardian:
    """Kills what a dead root has left: its sessions, and whoever carries its mark."""

    def __init__(self, root: str, table: ProcessTable) -> None:
        self._root, self._table = root, table

    def clean_up(self, sessions: set[int]) -> None:
        """Kill until nothing is left, for at most 10 s (a process may hang in the kernel)."""
        give_up = time.monotonic() + _SWEEP_PATIENCE
        while (found := self._leftovers(sessions)) and time.monotonic() < give_up:
            for pid in found:
                kill_process(pid)
            time.sleep(_SWEEP_INTERVAL)

    def _leftovers(self, sessions: set[int]) -> list[int]:
        return [
            stat.pid
            for stat in self._table.every()
            if not stat.zombie
            and stat.pid != os.getpid()
            and (stat.session in sessions or marks.is_marked(self._table.environment(stat.pid), self._root))
        ]


def remove_directories(directories: set[str]) -> None:
    """Remove the directories and the files in them; what is gone already is no matter."""
    for directory in directories:
        try:
            for name in os.listdir(directory):
                os.unlink(f"{directory}/{name}")
            os.rmdir(directory)
        except FileNotFoundError:
            continue
