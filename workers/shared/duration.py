"""Durations in workers' sections of a tree file."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h|d)", re.ASCII)
_LONGEST_S: Final = 366 * 86400.0


def seconds(name: str, value: str | float) -> float:
    """Read a duration such as "500ms", "5s", "2h", or a number of seconds. Raises ValueError naming it."""
    found: float | None = None if isinstance(value, str) else float(value)
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        found = float(match[1]) * _UNITS[match[2]]
    if found is None or not 0 <= found <= _LONGEST_S:
        raise ValueError(f'{name} must be a duration such as "30s", "2h" or "0s" (never), found {value!r}')
    return found
