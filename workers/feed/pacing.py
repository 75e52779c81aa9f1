"""When the rows of a recording are due: pure arithmetic on the time of the data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Data time runs ``speed`` times as fast as the clock, from ``data_ms`` at monotonic ``since``."""

    speed: float
    since: float
    data_ms: int

    def data_time(self, now: float) -> float:
        """Return the data time in milliseconds that it is at monotonic ``now``."""
        return self.data_ms + (now - self.since) * 1000 * self.speed

    def due(self, data_ms: int) -> float:
        """Return the monotonic time at which it will be ``data_ms``."""
        return self.since + (data_ms - self.data_ms) / (1000 * self.speed)
