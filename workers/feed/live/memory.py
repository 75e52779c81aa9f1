"""Gives back memory that the C library keeps for later: each connection over TLS leaves holes behind it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final


def _trimming() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library than GNU's
        return None
    return found


_TRIM: Final = _trimming()


def trim() -> None:
    """Return what is free to the system, where the C library can; it takes a millisecond."""
    if _TRIM is not None:
        _TRIM(0)
