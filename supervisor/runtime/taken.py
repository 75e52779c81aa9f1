"""The places that a root needs for itself: its process, its state directory, its runtime directory."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from protocol import places, stale
from protocol.errors import ProtocolError
from supervisor.config import Tree, workers
from supervisor.host import descriptors, leftovers, marks
from supervisor.host.lock import RootLock, StateDirBusy
from supervisor.runtime.rootlog import say
from supervisor.runtime.utc import now_ms

_ALONE = threading.Lock()
_DYING_S = 0.5
"""How long a root that was killed may still look alive although its lock is free."""


class RootAlreadyHere(Exception):
    """This process is the root of another tree at the moment."""

    def __str__(self) -> str:
        return (
            f"this process (pid {os.getpid()}) already runs a tree, and can be the root of one at a time: "
            "put both into one tree, as groups, or run the second in a process of its own"
        )


class Taken:
    """The places while they are held. ``killed`` are the processes that a dead root had left behind."""

    def __init__(self, lock: RootLock, entry: places.RootEntry, killed: tuple[str, ...]) -> None:
        self._lock, self._entry = lock, entry
        self.runtime_dir = entry.runtime_dir
        self.killed = killed
        self._complained: set[str] = set()

    def keep(self, rebind: Callable[[], list[str]]) -> bool:
        """Put back what somebody has removed; to be called every second or so.

        ``rebind`` binds the sockets whose files are gone. False: another root has the state directory now,
        and this one has to end.
        """
        if not self._keep_lock():
            return False
        try:
            self._keep_reachable(rebind)
        except (ProtocolError, OSError) as error:
            self._complain(f"no command can reach this root until its runtime directory is back: {error}")
        else:
            self._complained.clear()
        return True

    def _keep_lock(self) -> bool:
        state_dir = self._entry.state_dir
        match self._lock.keep():
            case "retaken":
                say("CRITICAL", f"somebody removed {state_dir}/root.lock; it is made and locked again")
            case "missing":
                self._complain(
                    f"{state_dir}/root.lock is gone and cannot be made again; a second root may start"
                )
            case "taken":
                self._complain(f"another root has locked {state_dir}; stopping, for only one may run there")
                return False
        return True

    def _keep_reachable(self, rebind: Callable[[], list[str]]) -> None:
        places.restore(self.runtime_dir)
        if bound := rebind():
            say("WARNING", f"somebody removed sockets in {self.runtime_dir}; bound again: {', '.join(bound)}")
        if places.recall(self._entry.state_dir) != self._entry:
            places.register(self._entry)

    def _complain(self, sentence: str) -> None:
        if sentence not in self._complained:
            self._complained.add(sentence)
            say("CRITICAL", sentence)


@contextmanager
def places_taken(tree: Tree, *, embedded: bool) -> Iterator[Taken]:
    """Hold everything that only one root may have; first end what a dead root has left on it.

    ``embedded``: the process is somebody else's and goes on when the tree has ended. Raises
    RootAlreadyHere, StateDirBusy, ProtocolError, OSError.
    """
    if not _ALONE.acquire(blocking=False):
        # Each root buries the orphans of its process and at its end kills whatever carries its pid's mark.
        raise RootAlreadyHere
    lock = RootLock(tree.state_dir)
    try:
        # Before anything is opened: ZeroMQ ends the process where it gets no descriptor.
        descriptors.check_capacity(len(workers(tree.root)))
        _refuse_beside_another(tree.state_dir)
        killed = _cleared({lock.take(), _registered_before(tree.state_dir)})
        lock.sign()
        with _registered(tree, embedded=embedded) as entry:
            yield Taken(lock, entry, killed)
    finally:
        lock.release()
        _ALONE.release()


def _refuse_beside_another(state_dir: Path) -> None:
    # The directory may have been removed, and its lock with it, under a root that runs.
    give_up = time.monotonic() + _DYING_S
    while (known := places.recall(state_dir)) and known.running and known.pid != os.getpid():
        if time.monotonic() > give_up:
            raise StateDirBusy(state_dir, str(known.pid))
        time.sleep(0.01)


def _registered_before(state_dir: Path) -> str:
    known = places.recall(state_dir)
    return marks.identity(known.pid, known.started) if known is not None and known.pid else ""


def _cleared(identities: set[str]) -> tuple[str, ...]:
    return tuple(name for identity in identities for name in leftovers.clear(identity))


@contextmanager
def _registered(tree: Tree, *, embedded: bool) -> Iterator[places.RootEntry]:
    with stale.entering() as alone:
        runtime_dir = str(places.runtime_dir(tree.state_dir))
        os.utime(runtime_dir)  # it may be an old one
        entry = _entry(tree, runtime_dir, embedded=embedded)
        places.register(entry)
        if alone:
            stale.remove_stale()
    try:
        yield entry
    finally:
        places.unregister(tree.state_dir)
        shutil.rmtree(runtime_dir, ignore_errors=True)  # only sockets; ours alone under the lock


def _entry(tree: Tree, runtime_dir: str, *, embedded: bool) -> places.RootEntry:
    pid = os.getpid()
    return places.RootEntry(
        pid=pid,
        started=places.process_start_ticks(pid) or 0,
        state_dir=str(tree.state_dir),
        config=tree.name,
        runtime_dir=runtime_dir,
        at_ms=now_ms(),
        embedded=embedded,
        temporary="SUPERVISOR_TEMPORARY" in os.environ,
    )
