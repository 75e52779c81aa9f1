"""When a probe is tried, how long an attempt may take, and what its failures mean. Pure; all in seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from supervisor.engine.spec import Heartbeat

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.0
_GROWTH: Final = 1.5
READY_LIMIT: Final = 5.0
"""An attempt at readiness; the engine's ``ready_timeout`` bounds all of them together."""
_SHORTEST_LIMIT, _LONGEST_LIMIT = 1.0, 10.0
_LATE: Final = 0.5
"""An attempt that ends this much after its limit shows that the root itself was held up."""


def ready_pause(failures: int) -> float:
    """The pause after so many failed attempts at readiness (one or more)."""
    # The exponent is bounded: a program may be tried for days.
    return min(LONGEST_PAUSE, FIRST_PAUSE * _GROWTH ** min(failures - 1, 16))


@dataclass(frozen=True)
class Pulse:
    """A liveness probe under way: ``failures`` in a row, the last success at ``good_at``."""

    heartbeat: Heartbeat
    good_at: float
    failures: int = 0

    @property
    def limit(self) -> float:
        """What one attempt may take: the interval, but not too little and not too much."""
        return min(max(self.heartbeat.interval, _SHORTEST_LIMIT), _LONGEST_LIMIT)

    @property
    def hung(self) -> bool:
        """Whether so many attempts failed that the program counts as hung."""
        return self.failures >= self.heartbeat.misses

    def next_at(self, began: float, ended: float) -> float:
        """When to try again: attempts begin ``interval`` apart and never overlap."""
        return max(ended, began + self.heartbeat.interval)

    def succeeded(self, ended: float) -> Pulse:
        """The program served."""
        return replace(self, good_at=ended, failures=0)

    def failed(self, began: float, ended: float) -> Pulse:
        """The program did not serve. Not counted when the root was suspended meanwhile."""
        if ended - began > self.limit + _LATE:
            return self
        return replace(self, failures=self.failures + 1)
