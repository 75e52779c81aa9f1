"""The lock that makes one state directory belong to one root.

A ``flock`` on a file that the root never unlinks: it goes with the process that holds it, however that ends.
In the file is the identity of the root that signed last, so that its successor knows whose remains to look
for. Somebody may remove the file nevertheless: then the lock still holds, but nobody would meet it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Literal

from supervisor.host import marks

Kept = Literal["held", "retaken", "taken", "missing"]
"""Still the file that was locked; made and locked again; another one has it; cannot be made again."""


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

    def take(self) -> str:
        """Make the directory and lock it; the identity of the root that signed before, or nothing.

        To be followed by :meth:`sign`. Raises StateDirBusy, OSError.
        """
        self._fd, written = self._locked()
        return written

    def sign(self) -> None:
        """Write who holds the lock; what the one before left behind must be gone by now."""
        assert self._fd is not None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{marks.own_identity()}\n".encode("ascii"), 0)

    def keep(self) -> Kept:
        """Look whether the file is still the one that is locked; if it is gone, make and lock it again."""
        if self._is_in_place():
            return "held"
        old = self._fd
        try:
            self._fd, _ = self._locked()
        except StateDirBusy:
            return "taken"
        except OSError:
            return "missing"
        if old is not None:
            os.close(old)
        self.sign()
        return "retaken"

    def release(self) -> None:
        """Let go; harmless when repeated."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def _path(self) -> Path:
        return self._state_dir / "root.lock"

    def _is_in_place(self) -> bool:
        if self._fd is None:
            return False
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._fd))
        except OSError:
            return False

    def _locked(self) -> tuple[int, str]:
        self._state_dir.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        written = os.pread(fd, 64, 0).decode("ascii", "replace").strip()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise StateDirBusy(self._state_dir, written.partition("-")[0]) from None
        return fd, written
