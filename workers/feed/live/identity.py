"""What a trade is: its id, not its time. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

REMEMBERED: Final = 10_000
ANEW_MS: Final = 60_000
"""So long after the trade with the highest number a lower one is new: the highest was wrong, or the numbers
of the market have begun anew. No trade comes twice as late as that.
"""


class TradeIds:
    """Tells new trades from those that were there already."""

    def __init__(self) -> None:
        self._newest, self._newest_ms = -1, 0
        self._recent: set[str] = set()
        self._order: deque[str] = deque()
        self._count = (0, 0)

    def fresh(self, trade_id: str, at_ms: int) -> bool:
        """Whether this id is new; it counts as seen afterwards. Numbered trades only go upwards."""
        if trade_id.isascii() and trade_id.isdigit():
            number = int(trade_id)
            if number <= self._newest and at_ms <= self._newest_ms + ANEW_MS:
                return False
            self._newest, self._newest_ms = number, at_ms
            return True
        if trade_id in self._recent:
            return False
        self._remember(trade_id)
        return True

    def made(self, at_ms: int) -> str:
        """Return an id for a trade that has none: its time, and which of that time it is."""
        last_ms, count = self._count
        self._count = (at_ms, count + 1 if at_ms == last_ms else 0)
        return f"{at_ms}-{self._count[1]}"

    def _remember(self, trade_id: str) -> None:
        self._recent.add(trade_id)
        self._order.append(trade_id)
        if len(self._order) > REMEMBERED:
            self._recent.discard(self._order.popleft())
