"""SIGKILL where it may come too late or not be allowed. A leaf, standard library only."""

from __future__ import annotations

import os
import signal


def kill_process(pid: int) -> None:
    """SIGKILL a process; one that is gone already, or that we may not touch (set-uid), is left."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def kill_group(group: int) -> bool:
    """SIGKILL a process group; return whether there was anybody in it, zombies included."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
