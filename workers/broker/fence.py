"""The fence: one broker at a time on a set of books, whoever started it.

A lock of the kernel on a file beside the database: it goes with its process, so nothing is ever left to clean
up. Not SQLite's exclusive mode, which would lock the ``paper`` commands out.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from protocol.errors import StorageBusy


class FenceBusy(StorageBusy):
    """Another broker holds these books; starting again later may work."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "held by another broker")

    def __str__(self) -> str:
        return (
            f"another broker holds {self.path}: two must never trade on one account; if it is not one of this"
            " tree, stop it or use another state directory (this one tries again by itself)"
        )


def hold(path: Path) -> int:
    """Take the lock for the life of this process; return its descriptor, which must stay open.

    Raises:
        FenceBusy: another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise FenceBusy(path) from error
    return descriptor
