"""Wall-clock times as text, for display and records."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """UTC seconds since 1970 as ``2026-11-20T07:00:00.000Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now_ms() -> int:
    """Return the time as milliseconds of UTC."""
    return time.time_ns() // 1_000_000
