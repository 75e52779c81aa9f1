"""The root's end of the forkserver. The only file that reaches into ``multiprocess``.

``multiprocess`` keeps one forkserver for the whole process and makes a new one by itself when the old one
is gone. Here each is a *generation* of its own, so that a loss is seen. The protocol between the two
ends, and what happens in the child before ``boot.enter``, stay those of ``multiprocess``. What is left out
of ``Process.start``: the look at all other children (O(n)), the flush of the root's streams (it can block
on a stuck terminal), and the preparation that would run the root's ``__main__`` again in the child.

All of it blocks, and all of it runs in one thread, which must live as long as the forkserver: PDEATHSIG
hangs on the thread that started it.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import multiprocess
from multiprocess import forkserver, resource_tracker, spawn, util
from multiprocess.context import reduction, set_spawning_popen

from supervisor.host import boot, leftovers, marks
from supervisor.host.errors import ForkserverLost, StartFailed
from supervisor.host.killing import kill_process

_PRELOADED = ("supervisor.host.boot",)
_ANSWER_PATIENCE = 30.0
"""Seconds for the pid of a new child: the first one also waits for all preloads to be imported."""
_BACKLOG = 128
_CODE = "import sys; sys.path[:] = {path!r}; from supervisor.host import nursery; nursery.main{arguments!r}"


@dataclass(frozen=True)
class Forked:
    """A worker just forked, and two descriptors that the caller owns.

    ``sentinel`` yields the exit code, or end-of-file when the forkserver is lost; closing ``lifeline``
    tells the worker that the root is gone.
    """

    pid: int
    parent: int
    sentinel: int
    lifeline: int


class Forkserver:
    """Forks Python workers; makes a new generation when the old one is lost."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._modules = (*_PRELOADED, *preload)
        self._current: _Generation | None = None
        self._retired: dict[int, _Generation] = {}
        self._owns_tracker = False

    @property
    def pids(self) -> set[int]:
        """The hidden processes: the forkserver and the resource tracker of ``multiprocess``."""
        tracker = resource_tracker._resource_tracker._pid
        current = self._current.pid if self._current is not None else None
        return {pid for pid in (tracker, current, *self._retired) if pid is not None}

    @property
    def retired(self) -> frozenset[int]:
        """The pids of forkservers that fork nothing any more and still have workers."""
        return frozenset(self._retired)

    @property
    def directory(self) -> str | None:
        """Where its socket lies, for whoever tidies up after a killed root."""
        return self._current.directory if self._current is not None else None

    def start(self) -> None:
        """Start a generation unless one is alive."""
        if self._current is not None and self._current.alive:
            return
        self._drop()
        _silence_tracker()
        self._owns_tracker = self._owns_tracker or resource_tracker._resource_tracker._pid is None
        resource_tracker.ensure_running()
        self._current = _Generation.start(self._modules)

    def renew(self, preload: Sequence[str]) -> int | None:
        """Start a generation with other modules; return the pid of the one that it retires."""
        self._modules = (*_PRELOADED, *preload)
        retired, self._current = self._current, None
        if retired is not None:
            self._retired[retired.pid] = retired
        self.start()
        return None if retired is None else retired.pid

    def end_retired(self, pid: int) -> None:
        """End a retired generation, whose last worker is gone. Harmless when repeated."""
        retired = self._retired.pop(pid, None)
        if retired is not None:
            retired.end()

    def fork(self, order: boot.Order, output: int) -> Forked:
        """Fork a worker with ``output`` as its stdout and stderr; ``order.parent`` is filled in here.

        Raises StartFailed when a fresh generation is lost as well.
        """
        try:
            return self._fork(order, output)
        except ForkserverLost:
            self._drop()
        try:
            return self._fork(order, output)
        except ForkserverLost as error:
            self._drop()
            raise StartFailed(str(error)) from error

    def kill(self) -> None:
        """Kill the current generation and so its workers; a fork under way fails. From any thread."""
        for generation in (self._current, *tuple(self._retired.values())):
            if generation is not None:
                generation.kill()

    def stop(self) -> None:
        """End the forkserver, and the resource tracker if it was started here."""
        self._drop()
        for pid in tuple(self._retired):
            self.end_retired(pid)
        tracker = resource_tracker._resource_tracker
        if self._owns_tracker and tracker._pid is not None:
            # It would wait for every descendant that still holds its pipe. Nothing is registered with it.
            kill_process(tracker._pid)
            tracker._stop()
        self._owns_tracker = False

    def _fork(self, order: boot.Order, output: int) -> Forked:
        self.start()
        assert self._current is not None
        return self._current.fork(order, output)

    def _drop(self) -> None:
        if self._current is not None:
            self._current.end()
            self._current = None


class _Generation(forkserver.ForkServer):  # type: ignore[misc]  # multiprocess is untyped
    """One forkserver process, from start to end."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, alive: int) -> None:
        super().__init__()
        self._process = process
        self._forkserver_address = address
        self._forkserver_alive_fd = alive

    @classmethod
    def start(cls, modules: Sequence[str]) -> _Generation:
        """Execute a forkserver; OSError when that fails."""
        with contextlib.ExitStack() as undo:
            prefix = leftovers.directory_prefix(marks.own_identity())
            directory = tempfile.mkdtemp(prefix=prefix, dir=leftovers.temporary_directory())
            undo.callback(shutil.rmtree, directory, ignore_errors=True)
            address = f"{directory}/forkserver"
            alive_read, alive_write = os.pipe()
            undo.callback(os.close, alive_write)
            with socket.socket(socket.AF_UNIX) as listener, open(alive_read, "rb"):  # noqa: PTH123 - a pipe
                listener.bind(address)
                listener.listen(_BACKLOG)
                process = _execute(listener.fileno(), alive_read, modules)
            undo.pop_all()
        return cls(process, address, alive_write)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def directory(self) -> str:
        return str(Path(self._forkserver_address).parent)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ensure_running(self) -> None:
        """Raise ForkserverLost where ``multiprocess`` would silently start another."""
        if not self.alive:
            raise ForkserverLost(self.pid, f"it ended with status {self._process.returncode}")

    def fork(self, order: boot.Order, output: int) -> Forked:
        message = _pickled(replace(order, parent=self.pid))
        try:
            sentinel, lifeline = self.connect_to_new_process([output])
        except ConnectionError as error:
            raise ForkserverLost(self.pid, str(error)) from error
        try:
            pid = _read_pid(sentinel, self.pid)
            _write(lifeline, message)
        except BaseException:
            os.close(sentinel)
            os.close(lifeline)
            # Its one process is still to answer, or already there: without it no child can be left over.
            self.kill()
            raise
        return Forked(pid, self.pid, sentinel, lifeline)

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self.kill()
        self._process.wait()
        os.close(self._forkserver_alive_fd)
        shutil.rmtree(self.directory, ignore_errors=True)


def _execute(listener: int, alive: int, modules: Sequence[str]) -> subprocess.Popen[bytes]:
    path = spawn.get_preparation_data("forkserver")["sys_path"]
    code = _CODE.format(path=path, arguments=(listener, alive, os.getpid(), tuple(modules)))
    return subprocess.Popen(
        [sys.executable, *util._args_from_interpreter_flags(), "-c", code],
        stdin=subprocess.DEVNULL,
        pass_fds=(listener, alive),
        env=marks.inherited(os.environ, marks.own_identity()),
        start_new_session=True,
    )


def _pickled(order: boot.Order) -> bytes:
    """What the child unpickles: how to prepare itself, and a process object that calls ``boot.enter``."""
    process = multiprocess.get_context("forkserver").Process(
        target=boot.enter, args=(order,), name=order.child
    )
    unwanted = {"dir", "init_main_from_name", "init_main_from_path"}
    data = spawn.get_preparation_data(order.child)
    buffer = io.BytesIO()
    # Without a popen in sight the process refuses to have its authentication key pickled.
    set_spawning_popen(process)
    try:
        reduction.dump({key: value for key, value in data.items() if key not in unwanted}, buffer)
        reduction.dump(process, buffer)
    finally:
        set_spawning_popen(None)
    return buffer.getvalue()


def _read_pid(sentinel: int, forkserver_pid: int) -> int:
    poll = select.poll()
    poll.register(sentinel, select.POLLIN)
    if not poll.poll(_ANSWER_PATIENCE * 1000):
        raise ForkserverLost(forkserver_pid, f"no answer within {_ANSWER_PATIENCE:g} s")
    try:
        return int(forkserver.read_signed(sentinel))
    except EOFError as error:
        raise ForkserverLost(forkserver_pid, "it ended while it was asked for a worker") from error


def _write(descriptor: int, message: bytes) -> None:
    rest = memoryview(message)
    # A child that died at once does not read: its exit is reported like any other.
    with contextlib.suppress(BrokenPipeError):
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def read_exit_code(sentinel: int) -> int | None:
    """The exit code (negative: the signal) that a readable sentinel holds; None: the forkserver was lost."""
    try:
        return int(forkserver.read_signed(sentinel))
    except (EOFError, OSError):
        return None


def _silence_tracker() -> None:
    """Renewing a killed resource tracker is no news: nothing of ours is registered with it."""
    warnings.filterwarnings(
        "ignore", message="resource_tracker: process died unexpectedly", category=UserWarning
    )
