"""What a root in the background says, once, to the command that has started it and waits."""

from __future__ import annotations

import os
from contextlib import suppress

READY = b"ready\n"
"""What it says on stdout when all children are ready."""
NOT_READY = b"not ready\n"
"""What it says, after the reasons, when some child cannot become ready by itself."""


def announce_ready() -> None:
    """Tell the waiting parent that all is ready, and let go of its terminal."""
    _announce(READY)


def announce_failure(reasons: str) -> None:
    """Tell the waiting parent why not all will be ready, and let go of its terminal."""
    _announce(f"{reasons}\n".encode("utf-8", "replace") + NOT_READY)


def _announce(word: bytes) -> None:
    with suppress(OSError):
        # The parent may have given up waiting, which is no reason to stop.
        os.write(1, word)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
