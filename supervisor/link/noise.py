"""Counts what arrives on a socket and cannot be understood, and lets a line about it through now and then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

_SAY_EVERY_S = 10.0


class Noise:
    """``say(door, kind, sentence, count)`` is called at most once in ten seconds for each door and kind."""

    def __init__(self, say: Callable[[str, str, str, int], None], now: Callable[[], float]) -> None:
        self._say = say
        self._now = now
        self._counts: Counter[tuple[str, str]] = Counter()
        self._said_at: dict[tuple[str, str], float] = {}

    def count(self, door: str, kind: str, sentence: str) -> None:
        """One more of this kind at this door. Kinds must be few: they are kept for ever."""
        key = (door, kind)
        self._counts[key] += 1
        now = self._now()
        if now - self._said_at.get(key, -_SAY_EVERY_S) >= _SAY_EVERY_S:
            self._said_at[key] = now
            self._say(door, kind, sentence, self._counts[key])

    @property
    def total(self) -> int:
        """Everything that was not understood."""
        return self._counts.total()
