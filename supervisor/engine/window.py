"""Restart intensity: how many restarts still count."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from supervisor.engine.spec import Intensity


@dataclass(frozen=True)
class RestartWindow:
    """The restarts that still count against an intensity; a restart exactly ``period`` old still counts.

    With ``whole_seconds`` times are cut to seconds first, as OTP's supervisor does.
    """

    intensity: Intensity
    whole_seconds: bool = False
    times: tuple[float, ...] = ()

    def after_restart(self, now: float) -> RestartWindow:
        """The window with one more restart at ``now``."""
        at = math.floor(now) if self.whole_seconds else now
        return RestartWindow(self.intensity, self.whole_seconds, (*self._recent(at), at))

    def counted(self, now: float) -> int:
        """How many restarts count at ``now``."""
        return len(self._recent(math.floor(now) if self.whole_seconds else now))

    @property
    def exceeded(self) -> bool:
        """Whether the last restart was one too many."""
        return len(self.times) > self.intensity.max_restarts

    @property
    def nearly_exceeded(self) -> bool:
        """Whether the last restart brought the count to 90 % of what is allowed."""
        return len(self.times) == max(1, math.ceil(0.9 * self.intensity.max_restarts))

    def _recent(self, now: float) -> tuple[float, ...]:
        # They are in order, and a status of a thousand children asks as often.
        return self.times[bisect_left(self.times, now - self.intensity.period) :]
