"""What was received and not yet used: rows of the market, orders and horizons of each strategy.

Nothing here is stored. A cursor moves only over what a step has used, so that all of it comes again
after a kill.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from protocol.codec import MARKET, STRATEGY
from protocol.messages.market import MarketRecord
from protocol.messages.stream import Record
from protocol.messages.trading import Cancel, Order, Signal, Through


class Taken(NamedTuple):
    """Orders and cancels that are due, and the last seq that was used with them (None: nothing was)."""

    orders: list[Order | Cancel]
    last_seq: int | None


class MarketInbox:
    """Rows of the market, oldest first, each with its number: the seq."""

    def __init__(self) -> None:
        self._rows: deque[tuple[int, MarketRecord]] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, records: Sequence[Record]) -> None:
        """Keep rows that follow those already here."""
        decode = MARKET.decode
        self._rows.extend((record.seq, decode(record.body)) for record in records)

    def pop(self) -> tuple[int, MarketRecord] | None:
        """Return the next row; None when there is none."""
        return self._rows.popleft() if self._rows else None


class StrategyInbox:
    """What one strategy wants, up to where it has got.

    Which records belong to a row depends on the stream alone: all that precede the first record of a later
    row, and none behind a ``Through`` of this one. So the split into batches cannot change a decision.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Order | Cancel | Through]] = deque()
        self._reach = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, records: Sequence[Record]) -> None:
        """Keep orders, cancels and horizons. Signals are not the broker's; of horizons in a row the last says
        all.
        """
        for record in records:
            message = STRATEGY.decode(record.body)
            if isinstance(message, Signal):
                continue
            if isinstance(message, Through):
                self._reach = max(self._reach, message.row)
                if self._waiting and isinstance(self._waiting[-1][1], Through):
                    message = Through(max(message.row, self._waiting.pop()[1].row))
            else:
                self._reach = max(self._reach, message.row - 1)
            self._waiting.append((record.seq, message))

    def finished(self, row: int) -> bool:
        """Whether the strategy has got through ``row``."""
        return self._reach >= row

    def pop_row(self, row: int) -> Taken:
        """Take away what belongs to ``row``."""
        orders: list[Order | Cancel] = []
        last: int | None = None
        while self._waiting and self._waiting[0][1].row <= row:
            last, message = self._waiting.popleft()
            if not isinstance(message, Through):
                orders.append(message)
            elif message.row == row:
                break
        return Taken(orders, last)

    def pop_all(self) -> Taken:
        """Take away everything, for a market in which nobody waits."""
        last = self._waiting[-1][0] if self._waiting else None
        orders = [message for _, message in self._waiting if not isinstance(message, Through)]
        self._waiting.clear()
        return Taken(orders, last)
