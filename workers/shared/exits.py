"""Exit codes of workers, each meaning "start me again" or "do not"."""

from __future__ import annotations

from typing import Final

OK: Final = 0
CRASHED: Final = 1
STALE: Final = 75
"""EX_TEMPFAIL: no data came; start me again."""
CONFIG: Final = 78
"""EX_CONFIG: a person must look; do not start me again."""


class PersonMustLook(Exception):
    """Starting again is no use: the worker ends with exit code 78 and this sentence as its last word."""


class CannotGoOn(Exception):
    """A new process may do better: the worker ends with exit code 1 and this sentence as its last word."""


class StartAgain(Exception):
    """Nothing is broken here, but a new process may find what it needs: exit code 75, this sentence last."""
