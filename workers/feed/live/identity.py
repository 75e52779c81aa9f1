"""What a trade is: its id, not its time. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

REMEMBERED: Final = 10_000


class TradeIds:
    """Tells new trades from those that were there already."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._recent: set[str] = set()
        self._order: deque[str] = deque()
        self._count = (0, 0)

    def fresh(self, trade_id: str) -> bool:
        """Whether this id is new; it counts as seen afterwards. Numbered trades only go upwards."""
        if trade_id.isascii() and trade_id.isdigit():
            number = int(trade_id)
            if self._newest is not None and number <= self._newest:
                return False
            self._newest = number
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
