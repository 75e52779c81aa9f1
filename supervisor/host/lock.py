"""The lock that makes one state directory belong to one root.

A ``flock`` on a file that is never unlinked: it goes with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class StateDirBusy(Exception):
    """Another root runs on this state directory."""

    def __init__(self, state_dir: Path, holder: str) -> None:
        super().__init__(state_dir, holder)
        self.state_dir, self.holder = state_dir, holder

    def __str__(self) -> str:
        by = f" (pid {self.holder})" if self.holder else ""
        return (
            f"the state directory {self.state_dir} is in use by another root{by}: stop it with "
            f"`supervisor stop --state-dir {self.state_dir}`, or name another one with --state-dir"
        )


class RootLock:
    """Held from :meth:`take` until :meth:`release` or the end of the process."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._fd: int | None = None

    def take(self) -> None:
        """Make the directory and lock it. Raises StateDirBusy, OSError."""
        self._state_dir.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._state_dir / "root.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise StateDirBusy(self._state_dir, holder) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Let go; harmless when repeated."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
