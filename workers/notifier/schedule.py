"""What comes round by the clock of the wall. Pure: the time is an argument."""

from __future__ import annotations

from msgspec import Struct


class Schedule(Struct):
    """Something due every ``interval_ms`` after ``last_ms`` (0: never due; None: counting has not begun)."""

    interval_ms: int
    last_ms: int | None = None

    def begin(self, at_ms: int) -> None:
        """Count from now when nothing was counted yet, or when the clock was set back."""
        if self.last_ms is None or self.last_ms > at_ms:
            self.last_ms = at_ms

    def take(self, at_ms: int) -> bool:
        """Whether it is due; if so it is done now. However much was missed, it is due once."""
        if self.remaining_ms(at_ms) != 0:
            return False
        self.last_ms = at_ms
        return True

    def remaining_ms(self, at_ms: int) -> int | None:
        """How long until it is due (0: now); None when it never is."""
        if not self.interval_ms or self.last_ms is None:
            return None
        return max(self.last_ms + self.interval_ms - at_ms, 0)
