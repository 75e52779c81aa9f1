"""What was not taken: counted by kind, told at most once a second a kind. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Final

from workers.shared.core import LogLine

TELL_S: Final = 1.0


class Rejects:
    """The counts of this life; ``before`` those of earlier ones."""

    def __init__(self, before: int = 0) -> None:
        self._before = before
        self.kinds: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}
        self._untold: Counter[str] = Counter()

    def note(self, kind: str, found: object, now: float) -> LogLine | None:
        """Count one; return the line to log, when it is time for one of this kind."""
        self.kinds[kind] += 1
        self._untold[kind] += 1
        if now < self._told_at.get(kind, float("-inf")) + TELL_S:
            return None
        self._told_at[kind] = now
        return LogLine(
            "WARNING",
            "data rejected",
            {"kind": kind, "count": self._untold.pop(kind), "found": str(found)[:160]},
        )

    @property
    def total(self) -> int:
        """The lifetime count."""
        return self._before + sum(self.kinds.values())
