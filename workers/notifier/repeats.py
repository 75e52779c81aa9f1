"""What keeps a fault that repeats itself from flooding anybody: the first three are told, then counts.

Pure. The pauses between two counts double; a kind that stays quiet for one pause is forgotten, and its next
one is told again at once.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct, field

TOLD_AT_ONCE: Final = 3
FIRST_PAUSE_MS: Final = 5 * 60_000
LONGEST_PAUSE_MS: Final = 6 * 3_600_000
MOST_KINDS: Final = 500
"""How many kinds are remembered; beyond that the one that is due first gives way."""


class Streak(Struct):
    """One kind of fault: how often it was told, how often it came since ``since_ms`` without being told."""

    due_ms: int
    pause_ms: int = FIRST_PAUSE_MS
    told: int = 0
    untold: int = 0
    since_ms: int = 0
    last: str = ""


class Repeats(Struct):
    """The kinds of faults that were seen lately, by what makes them alike."""

    streaks: dict[str, Streak] = field(default_factory=dict)

    def tells(self, alike: str, text: str, at_ms: int) -> bool:
        """Note one more; whether it is to be told by itself."""
        streak = self.streaks.get(alike)
        if streak is None:
            self._make_room()
            streak = self.streaks[alike] = Streak(due_ms=at_ms + FIRST_PAUSE_MS)
        streak.last = text
        if streak.told < TOLD_AT_ONCE:
            streak.told += 1
            streak.due_ms = at_ms + streak.pause_ms
            return True
        if not streak.untold:
            streak.since_ms = at_ms
        streak.untold += 1
        return False

    def take_due(self, at_ms: int) -> list[tuple[int, int, str]]:
        """Return count, since when and the last text of each kind whose pause is over."""
        found = []
        for alike, streak in list(self.streaks.items()):
            # However far the clock was set back, no pause is longer than it is.
            streak.due_ms = min(streak.due_ms, at_ms + streak.pause_ms)
            if at_ms < streak.due_ms:
                continue
            if not streak.untold:
                del self.streaks[alike]
                continue
            found.append((streak.untold, streak.since_ms, streak.last))
            streak.untold = 0
            streak.pause_ms = min(streak.pause_ms * 2, LONGEST_PAUSE_MS)
            streak.due_ms = at_ms + streak.pause_ms
        return found

    def remaining_ms(self, at_ms: int) -> int | None:
        """How long until a pause is over; None when nothing is remembered."""
        due = min((streak.due_ms for streak in self.streaks.values()), default=None)
        return None if due is None else max(due - at_ms, 0)

    def _make_room(self) -> None:
        if len(self.streaks) >= MOST_KINDS:
            quiet = min(
                self.streaks, key=lambda alike: (self.streaks[alike].untold > 0, self.streaks[alike].due_ms)
            )
            del self.streaks[quiet]


def alike(kind: str, *facts: object) -> str:
    """Name what makes things alike; figures do not, so that ``took 3 s`` and ``took 4 s`` are."""
    words = " ".join(str(fact) for fact in facts)
    return f"{kind} " + re.sub(r"\d+", "#", words)[:200]
