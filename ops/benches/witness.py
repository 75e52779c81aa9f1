"""A command that lets it be known by itself that it runs: ``cat`` of a pipe with a name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


class Witness:
    """``command`` is what the tree shall run; one at a time."""

    def __init__(self, directory: Path) -> None:
        self._pipe = directory / "witness"
        os.mkfifo(self._pipe)
        self.command = ["cat", str(self._pipe)]
        self._held: int | None = None

    def wait(self) -> None:
        """Wait until it has opened the pipe, which it does first of all."""
        self._held = os.open(self._pipe, os.O_WRONLY)

    def kill(self, pid: int) -> float:
        """kill -9; return the seconds until the next one runs."""
        self._renew()
        before = self._held
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        self.wait()
        took = time.perf_counter() - began
        if before is not None:
            os.close(before)
        return took

    def close(self) -> None:
        """Let go of the pipe; the one that reads it ends."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _renew(self) -> None:
        # Each has a pipe of its own: that of the one before stays open until it is dead, whoever is quicker.
        fresh = self._pipe.with_suffix(".fresh")
        os.mkfifo(fresh)
        fresh.rename(self._pipe)
