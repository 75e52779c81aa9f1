"""What goes out with the next step, and when the state is to be kept though nothing does. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from protocol.messages.market import MarketRecord
from protocol.messages.tick import Tick
from workers.shared.core import LogLine, Step

SAVE_S: Final = 10.0
"""How long counters may be newer in memory than on disk."""


class Outbox:
    """``records`` and ``logs`` are added to by others; ``changed``: something is newer than on disk."""

    def __init__(self) -> None:
        self.records: list[MarketRecord] = []
        self.logs: list[LogLine] = []
        self.changed = False
        self._save_at = 0.0

    def begin(self, now: float) -> None:
        """Learn when the life of the core begins."""
        self._save_at = now + SAVE_S

    @property
    def deadline(self) -> float | None:
        """When the state is to be kept."""
        return self._save_at if self.changed else None

    def step(
        self, now: float, at_ms: int, ticks: tuple[Tick, ...], state: Callable[[], bytes]
    ) -> Step | None:
        """Return all that is there, with ``state()`` where it is to be kept; None: there is nothing."""
        records, logs = tuple(self.records), tuple(self.logs)
        self.records, self.logs = [], []
        self.changed = self.changed or bool(ticks or logs)
        saves = bool(records) or (self.changed and now >= self._save_at)
        if not (saves or ticks or logs):
            return None
        if saves:
            self.changed, self._save_at = False, now + SAVE_S
        return Step(outputs=records, at_ms=at_ms, state=state() if saves else None, logs=logs, ticks=ticks)
