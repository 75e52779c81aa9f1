"""The launcher: a small process that runs commands for the root, and the guardian when the root dies.

It is single-threaded, so it may fork; it imports next to nothing, so that fork is cheap. It has a session
of its own, no PDEATHSIG, and only one reason to end: end-of-file on the socket that the root holds.
Then it kills whatever the root has left behind.

Over a SOCK_SEQPACKET socket go marshalled tuples (both ends are the same Python):

    root -> launcher   ("fork", tag)                   make a newborn, see ``newborn.py``
                       ("track" | "untrack", session)  a session to kill when the root is gone
                       ("tidy", path)                  a directory to remove then
    launcher -> root   ("born", tag, pid)              and two descriptors, its orders and its report
                       ("unborn", tag, sentence)       it could not be forked
                       ("exited", tag, status)         as waitpid gives it

So the launcher has no part in what a restart waits for, but for the news of an end.

Run by :mod:`supervisor.host.launcher_client` as ``python -I -S``. Standard library and leaves only.
"""

# pathlib would double what the launcher imports.
# ruff: noqa: PTH106, PTH108, PTH208

from __future__ import annotations

import gc
import marshal
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence

from supervisor.host import marks, newborn
from supervisor.host.killing import kill_group, kill_process
from supervisor.host.prctl import set_name
from supervisor.host.proctable import ProcessTable

LARGEST_MESSAGE = 1 << 13
"""Bytes; a path is the longest that is in one."""
_HELD_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
_SWEEP_INTERVAL = 0.005
_SWEEP_PATIENCE = 10.0


def main(descriptor: int, root: str) -> None:
    """Serve the root with that identity over the socket until it closes; then clean up after it."""
    # Blocked, not ignored: a command must neither inherit the ignoring nor lose what hits it at birth.
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    set_name("sv-launcher")
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=descriptor)
    channel.set_inheritable(False)
    gc.freeze()
    launcher = Launcher(channel)
    launcher.serve()
    Guardian(root, ProcessTable()).clean_up(launcher.sessions)
    remove_directories(launcher.directories)


class Launcher:
    """Forks processes that become commands, tells how they end, and remembers which sessions the root has."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._epoll = select.epoll()
        self._reactions: dict[int, Callable[[], None]] = {}
        self._running = True
        self.sessions: set[int] = set()
        self.directories: set[str] = set()

    def serve(self) -> None:
        """Work until the root is gone."""
        self._watch(self._channel.fileno(), self._hear)
        while self._running:
            for descriptor, _ in self._epoll.poll():
                self._reactions[descriptor]()

    def _hear(self) -> None:
        try:
            data = self._channel.recv(LARGEST_MESSAGE)
        except ConnectionError:
            data = b""
        if not data:
            self._running = False
            return
        match marshal.loads(data):
            case "fork", tag:
                self._fork(tag)
            case "track", session:
                self.sessions.add(session)
            case "untrack", session:
                self.sessions.discard(session)
            case "tidy", path:
                self.directories.add(path)

    def _fork(self, tag: int) -> None:
        try:
            pid, *ends = newborn.fork()
        except OSError as error:
            self._say("unborn", tag, f"cannot fork: {error.strerror}")
            return
        self.sessions.add(pid)
        self._say("born", tag, pid, descriptors=ends)
        for descriptor in ends:
            os.close(descriptor)
        end = os.pidfd_open(pid)
        self._watch(end, lambda: self._bury(end, tag, pid))

    def _bury(self, end: int, tag: int, pid: int) -> None:
        # While the leader is unreaped its number, and so that of its group, cannot be somebody else's.
        kill_group(pid)
        self._say("exited", tag, os.waitpid(pid, 0)[1])
        self._epoll.unregister(end)
        del self._reactions[end]
        os.close(end)

    def _watch(self, descriptor: int, react: Callable[[], None]) -> None:
        self._reactions[descriptor] = react
        self._epoll.register(descriptor, select.EPOLLIN)

    def _say(self, *message: int | str, descriptors: Sequence[int] = ()) -> None:
        data = marshal.dumps(message)
        try:
            if descriptors:
                socket.send_fds(self._channel, [data], descriptors)
            else:
                self._channel.send(data)
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
