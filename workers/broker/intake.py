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
from protocol.messages.trading import Cancel, ErrorBudgetSpent, Order, Signal, Through

_Message = Order | Cancel | Through | ErrorBudgetSpent


class Taken(NamedTuple):
    """Orders and cancels that are due, the last seq that was used with them (None: nothing was), and the last
    word of a strategy that has ended.
    """

    orders: list[Order | Cancel]
    last_seq: int | None
    spent: ErrorBudgetSpent | None = None


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
        self._waiting: deque[tuple[int, _Message]] = deque()
        self._reach = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, records: Sequence[Record]) -> None:
        """Keep orders, cancels, horizons and last words. Signals are not the broker's; of horizons in a row
        the last says all.
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
        taken: list[_Message] = []
        last: int | None = None
        while self._waiting and self._waiting[0][1].row <= row:
            last, message = self._waiting.popleft()
            taken.append(message)
            if isinstance(message, Through) and message.row == row:
                break
        return _sorted(taken, last)

    def pop_all(self) -> Taken:
        """Take away everything, for a market in which nobody waits."""
        last = self._waiting[-1][0] if self._waiting else None
        taken = [message for _, message in self._waiting]
        self._waiting.clear()
        return _sorted(taken, last)


def _sorted(taken: Sequence[_Message], last_seq: int | None) -> Taken:
    orders = [message for message in taken if isinstance(message, Order | Cancel)]
    spent = [message for message in taken if isinstance(message, ErrorBudgetSpent)]
    return Taken(orders, last_seq, spent[-1] if spent else None)
