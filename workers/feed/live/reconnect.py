"""When to connect again, and when to give up. Pure; chance is an argument."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 5.0
LAST_S: Final = 60.0
JITTER: Final = 0.1
MOST_FAILURES: Final = 10


class Reconnect:
    """The waits of one connection: 5 s doubling to 60 s, a tenth of jitter, ten failures in a row."""

    def __init__(self) -> None:
        self.failures = 0
        self.at: float | None = 0.0
        self._renewed_at = float("-inf")

    def failed(self, now: float, chance: float) -> None:
        """Learn that it could not be made, or was lost; ``chance`` in [0, 1)."""
        self.failures += 1
        self.at = now + self._delay(chance)

    def renew(self, now: float, chance: float) -> None:
        """Plan a new connection for one that ends in good order: soon, and not all clients at once.

        One that is told to go as soon as it stands waits like one that failed.
        """
        self.at = self._renewed_at = max(now, self._renewed_at + FIRST_S) + chance

    def begun(self) -> None:
        """Learn that an attempt is under way."""
        self.at = None

    def good(self) -> None:
        """Learn that good data came. A connection alone proves nothing."""
        self.failures = 0

    @property
    def exhausted(self) -> bool:
        """Whether it has failed too often in a row."""
        return self.failures >= MOST_FAILURES

    def _delay(self, chance: float) -> float:
        raw = min(FIRST_S * 2.0 ** min(self.failures - 1, 10), LAST_S)
        spread = raw * JITTER * chance
        # The longest wait is spread downwards, so that it stays the longest.
        return raw - spread if raw == LAST_S else raw + spread
