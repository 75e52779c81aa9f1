"""Put in the way of an interpreter, this makes its wall clock jump back and forth by hours at every look."""

from __future__ import annotations

import itertools
import time

JUMPS_S = itertools.cycle((0, 6 * 3600, -6 * 3600, 3600))
_time, _time_ns = time.time, time.time_ns


def jumping_time() -> float:
    """Seconds since the epoch, give or take some hours."""
    return _time() + next(JUMPS_S)


def jumping_time_ns() -> int:
    """The same in nanoseconds."""
    return _time_ns() + next(JUMPS_S) * 1_000_000_000


time.time, time.time_ns = jumping_time, jumping_time_ns
