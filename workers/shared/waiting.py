"""Live prices that wait for a busy core, thinned out: what is told is recent, and memory is bounded."""

from __future__ import annotations

from collections import deque
from typing import Final

from protocol.messages.stream import Latest

TRADES_KEPT: Final = 1000
"""How many trades may wait; the oldest go first."""

TRADE: Final = "trade/"
"""The topics of which each value counts; of all others only the newest."""


class WaitingTicks:
    """A queue in order of arrival: of quotes, marks and states only the newest of a topic is in it."""

    def __init__(self, trades_kept: int = TRADES_KEPT) -> None:
        self._kept = trades_kept
        self._waiting: dict[tuple[str, int], Latest] = {}
        self._trades: deque[tuple[str, int]] = deque()
        self._arrived = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, latest: Latest) -> None:
        """Queue it; what it replaces, or the oldest trade beyond the bound, is gone."""
        if latest.topic.startswith(TRADE):
            self._put_trade(latest)
        else:
            key = (latest.topic, 0)
            self._waiting.pop(key, None)  # it shall stand where the newer one came
            self._waiting[key] = latest

    def take(self) -> Latest | None:
        """Return what came first; None when nothing waits."""
        if not self._waiting:
            return None
        key = next(iter(self._waiting))
        if key[1]:
            self._trades.popleft()
        return self._waiting.pop(key)

    def _put_trade(self, latest: Latest) -> None:
        self._arrived += 1
        if len(self._trades) >= self._kept:
            del self._waiting[self._trades.popleft()]
            self.dropped += 1
        key = (latest.topic, self._arrived)
        self._trades.append(key)
        self._waiting[key] = latest
