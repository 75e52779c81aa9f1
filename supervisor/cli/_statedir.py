"""Whether a state directory can be one, looked at without making it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

_LONGEST_BELOW: Final = "log/" + "n" * 100
"""A path below the state directory, as long as any that is needed."""


def flaw_of(path: Path) -> str | None:
    """Return why nobody could have this state directory, as a sentence; None when one could."""
    try:
        (path / _LONGEST_BELOW).stat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            start = str(path)[:60]
            return (
                f"state directory: the path {start}... is too long ({len(os.fsencode(path))} bytes, or "
                "one of its names above 255); choose another with --state-dir"
            )
    place = nearest_existing(path)
    if not place.is_dir():
        return f"state directory: {place} is a file, not a directory; choose another with --state-dir"
    return None


def nearest_existing(path: Path) -> Path:
    """Return the path itself, or the nearest above it that is seen to be there."""
    while not _seen(path):
        path = path.parent
    return path


def _seen(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False
