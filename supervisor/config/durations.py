"""Durations and sizes as people write them: ``"500ms"``, ``"2m"``, ``"300MiB"``, or a plain number."""

from __future__ import annotations

import math
import re
from typing import Final

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_BYTES: Final = {
    "": 1, "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_DURATION: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*(ms|s|m|h|d|)", re.ASCII)
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*(B|KB|MB|GB|KiB|MiB|GiB|)", re.ASCII)

LONGEST: Final = 100 * 365 * 86400.0
"""The longest duration accepted, in seconds: a century, far below what timers overflow at."""

DURATION_FORM: Final = 'a duration such as "500ms", "5s", "2m", "1h", "1d", or a number of seconds'
SIZE_FORM: Final = 'a size such as "300MiB", "2GiB", "500MB", or a number of bytes'


def parse_duration(value: object) -> float:
    """Return the duration in seconds. Raises ValueError, whose text says what is allowed."""
    seconds = _number(value)
    if seconds is None and isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds is None or not 0 <= seconds <= LONGEST:
        raise ValueError(DURATION_FORM)
    return seconds


def parse_size(value: object) -> int:
    """Return the size in bytes, at least 1. Raises ValueError, whose text says what is allowed."""
    size = _number(value)
    if size is None and isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        size = float(match[1]) * _BYTES[match[2]]
    if size is None or not 1 <= size < 2**63:
        raise ValueError(SIZE_FORM)
    return int(size)


def format_duration(seconds: float) -> str:
    """Write a duration in its two largest units, as in ``1h 5m``; below ten seconds with a decimal."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{n}{unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m"), (left, "s")) if n]
    return " ".join(parts[:2])


def format_size(size: float) -> str:
    """Write bytes in the unit that keeps the number below 1024, as in ``30.0 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) >= 2**63:
        return math.inf
    return float(value)
