"""Descriptors that name one process for good: its number can be somebody else's by now."""

from __future__ import annotations

import os

from supervisor.host.proctable import ProcessTable


def open_pidfd(pid: int, parent: int) -> int | None:
    """A descriptor for the child ``pid`` of ``parent``; None when that child is gone already."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    # The number may have been given away between the birth and now; then its parent is another.
    stat = ProcessTable().stat(pid)
    if stat is None or stat.parent not in (parent, os.getpid()):
        os.close(pidfd)
        return None
    return pidfd
