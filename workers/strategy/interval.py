"""The periodic mode: when a cycle is due. Pure."""

from __future__ import annotations

from typing import Final

NEVER: Final = float("inf")


class Interval:
    """Every ``length_ms`` (0: never): by the clock on live markets, by time of the data on recordings.

    ``last_ms``: when, in time of the data, the last cycle of a recording was.
    """

    def __init__(self, length_ms: int, last_ms: int | None) -> None:
        self.length_ms, self.last_ms = length_ms, last_ms
        self._next_at: float | None = None
        self._since_ms: int | None = None

    def begin(self, now: float) -> None:
        """Count from now, monotonic seconds, when nothing was counted yet."""
        if self.length_ms and self._next_at is None:
            self._next_at = now + self.length_ms / 1000

    @property
    def deadline(self) -> float | None:
        """When a cycle will be due; None while one is, and waits for something else."""
        return None if self._since_ms is not None else self._next_at

    def due(self, now: float, at_ms: int) -> int | None:
        """Return since when (UTC ms) a cycle of a live market is due; None when it is not."""
        if self._next_at is None or now < self._next_at:
            return None
        if self._since_ms is None:
            self._since_ms = at_ms
        return self._since_ms

    def take(self, now: float) -> None:
        """Do what is due; the next one is due an interval from now."""
        self._since_ms, self._next_at = None, now + self.length_ms / 1000

    def due_in_data(self, at_ms: int) -> bool:
        """Whether a row of this time has a cycle: on recordings there is at most one a row."""
        return bool(self.length_ms) and (self.last_ms is None or at_ms >= self.last_ms + self.length_ms)

    def take_in_data(self, at_ms: int) -> bool:
        """Do what is due at a row; whether anything was."""
        if not self.due_in_data(at_ms):
            return False
        self.last_ms = at_ms
        return True
