"""Keeps a terminal readable when one process says the same thing over and over. Pure."""

from __future__ import annotations

from dataclasses import dataclass

BURST = 2
WINDOW_S = 1.0
_KEYS_KEPT = 1000


@dataclass
class _Key:
    began_at: float
    shown: int = 0
    skipped: int = 0


class Throttle:
    """Lets ``BURST`` lines of one kind through in each second; the others are counted, not shown."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], _Key] = {}

    def admit(self, process: str, message: str, now: float) -> int | None:
        """How many like it were left out before this one; None to leave it out too."""
        key = self._keys.get((process, message))
        if key is None or now - key.began_at >= WINDOW_S:
            if len(self._keys) >= _KEYS_KEPT:
                self._keys.clear()
            skipped = 0 if key is None else key.skipped
            self._keys[process, message] = _Key(began_at=now, shown=1)
            return skipped
        if key.shown < BURST:
            key.shown += 1
            return 0
        key.skipped += 1
        return None
