"""How far the exchange's clock is from ours. Pure."""

from __future__ import annotations

from typing import Final

EVERY_S: Final = 300.0
LARGEST_MS: Final = 500
"""Beyond this, new entries are refused."""


class Skew:
    """Exchange time minus ours, in milliseconds.

    Asked for where the exchange tells its time; else from its messages, which can only be late: the
    youngest of five minutes is nearest to the truth.
    """

    def __init__(self) -> None:
        self.ms: int | None = None
        self.measure_at = 0.0
        self._youngest_ms: int | None = None
        self._judge_at: float | None = None
        self._told_until = float("-inf")

    def asked(self, now: float) -> None:
        """Learn that the exchange was asked for its time; the next question is five minutes away."""
        self.measure_at = now + EVERY_S

    def told(self, exchange_ms: int, sent_ms: int, received_ms: int, now: float) -> None:
        """Learn the answer; it was true in the middle between question and answer."""
        self._told_until = now + 2 * EVERY_S
        self._youngest_ms = self._judge_at = None
        self.ms = exchange_ms - (sent_ms + received_ms) // 2

    def heard(self, at_ms: int, received_ms: int, now: float) -> None:
        """Learn the time of a message."""
        if now < self._told_until:
            return
        lead_ms = at_ms - received_ms
        self._youngest_ms = lead_ms if self._youngest_ms is None else max(self._youngest_ms, lead_ms)
        if self._judge_at is None:
            self._judge_at = now + EVERY_S

    def judge(self, now: float) -> None:
        """Take the messages of the last five minutes as the measure, where nothing better was told."""
        if self._judge_at is None or now < self._judge_at:
            return
        self.ms, self._youngest_ms, self._judge_at = self._youngest_ms, None, None

    @property
    def too_large(self) -> bool:
        """Whether orders could not be timed honestly."""
        return self.ms is not None and abs(self.ms) > LARGEST_MS
