"""The places that a root needs for itself: its process, its state directory, its runtime directory."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from protocol import places
from supervisor.config import Tree
from supervisor.host.lock import RootLock

_ALONE = threading.Lock()


class RootAlreadyHere(Exception):
    """This process is the root of another tree at the moment."""

    def __str__(self) -> str:
        return (
            f"this process (pid {os.getpid()}) already runs a tree, and can be the root of one at a time: "
            "put both into one tree, as groups, or run the second in a process of its own"
        )


@contextmanager
def places_taken(tree: Tree, *, embedded: bool) -> Iterator[str]:
    """Hold everything that only one root may have; yields the runtime directory.

    ``embedded``: the process is somebody else's and goes on when the tree has ended. Raises
    RootAlreadyHere, StateDirBusy, ProtocolError, OSError.
    """
    if not _ALONE.acquire(blocking=False):
        # Each root buries the orphans of its process and at its end kills whatever carries its pid's mark.
        raise RootAlreadyHere
    lock = RootLock(tree.state_dir)
    try:
        lock.take()
        with _registered(tree, embedded=embedded) as runtime_dir:
            yield runtime_dir
    finally:
        lock.release()
        _ALONE.release()


@contextmanager
def _registered(tree: Tree, *, embedded: bool) -> Iterator[str]:
    runtime_dir = str(places.runtime_dir(tree.state_dir))
    places.register(_entry(tree, runtime_dir, embedded=embedded))
    try:
        yield runtime_dir
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
        at_ms=time.time_ns() // 1_000_000,
        embedded=embedded,
    )
