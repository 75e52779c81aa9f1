"""User code within a command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def under_ctrl_c() -> Iterator[None]:
    """Let Ctrl+C end the process at once: user code may be in an endless loop, and whatever Python raises
    there counts as its failure."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a shell ignores it in what runs in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
