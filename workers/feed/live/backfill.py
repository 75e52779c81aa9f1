"""When the past may be asked for by REST, and how much of it. Pure.

One backfill in 30 s, at most 200 candles each, the missing ones plus 5, oldest first. ``Retry-After`` is
obeyed; on 418 REST rests until the ban ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from workers.feed.live.order import Hole

BETWEEN_S: Final = 30.0
CONFIRM_S: Final = 5.0
"""Between two questions for one candle that is overdue."""
MOST: Final = 200
MORE: Final = 5
RETRY_S: Final = 5.0
LONGEST_RETRY_S: Final = 60.0
BAN_S: Final = 120.0
"""How long REST rests after a 418 that does not say."""
LONGEST_REST_S: Final = 3 * 24 * 3600.0


@dataclass(frozen=True)
class Question:
    """Ask for ``count`` candles from ``start_ms`` on. ``gap``: what comes is backfilled."""

    start_ms: int
    count: int
    gap: bool


class Backfill:
    """The REST budget of one market; one question is under way at a time."""

    def __init__(self) -> None:
        self._gap_at = self._confirm_at = float("-inf")
        self.resting_until = float("-inf")
        self.failures = 0

    def plan(self, hole: Hole, *, gap: bool, now: float) -> Question | None:
        """Return what to ask now, if anything; it counts as asked."""
        if now < self.due(gap=gap):
            return None
        self._confirm_at = now + CONFIRM_S
        if gap:
            self._gap_at = now + BETWEEN_S
        return Question(hole.start_ms, min(hole.count + MORE, MOST), gap)

    def due(self, *, gap: bool) -> float:
        """When the next question is allowed."""
        return max(self._gap_at if gap else self._confirm_at, self.resting_until)

    def answered(self) -> None:
        """Learn that REST works."""
        self.failures = 0

    def failed(self, now: float, status: int | None, retry_after_s: float | None) -> None:
        """Learn that a question went wrong; ``status`` None: there was no answer."""
        self.failures += 1
        wait_s = min(RETRY_S * 2.0 ** min(self.failures - 1, 10), LONGEST_RETRY_S)
        if status == 418:
            wait_s = BAN_S if retry_after_s is None else retry_after_s
        elif status == 429:
            wait_s = max(wait_s, BETWEEN_S if retry_after_s is None else retry_after_s)
        self.resting_until = max(self.resting_until, now + min(wait_s, LONGEST_REST_S))
