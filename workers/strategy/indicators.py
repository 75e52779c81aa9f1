"""Incremental indicators: one value in, one value out, in constant time; exact decimals where sums suffice.

Our own, because they must be exact (a restarted process continues to the last digit), bounded in memory and
small enough to be stored with each commit; libraries such as talipp count in floats and keep every value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct

ZERO: Final = Decimal(0)
HUNDRED: Final = Decimal(100)


class RollingSum:
    """The sum of the last ``length`` values; exact while it has at most 28 digits."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.total = ZERO
        self._values: deque[Decimal] = deque()

    def add(self, value: Decimal) -> Decimal:
        """Take a value and return the sum."""
        self._values.append(value)
        self.total += value
        if len(self._values) > self.length:
            self.total -= self._values.popleft()
        return self.total


class RollingExtreme:
    """The highest or lowest of the last ``length`` values.

    A queue of candidates, each better than all after it (the "sliding window maximum"): amortised constant
    time.
    """

    def __init__(self, length: int, kind: Literal["highest", "lowest"]) -> None:
        self._length = length
        self._sign = 1 if kind == "highest" else -1
        self._candidates: deque[tuple[int, Decimal]] = deque()
        self._count = 0

    def add(self, value: Decimal) -> None:
        """Take a value."""
        candidates, sign = self._candidates, self._sign
        while candidates and (value - candidates[-1][1]) * sign >= 0:
            candidates.pop()
        candidates.append((self._count, value))
        self._count += 1
        if candidates[0][0] <= self._count - 1 - self._length:
            candidates.popleft()

    @property
    def value(self) -> Decimal:
        """The extreme. Raises IndexError before the first value."""
        return self._candidates[0][1]


class Strength(Struct):
    """Wilder's relative strength index (New Concepts in Technical Trading Systems, 1978), from 0 to 100.

    The averages begin as the plain mean of the first ``length`` changes and are then smoothed by
    (average x (length - 1) + change) / length. Its memory fades but never ends, so it is kept as it is over a
    restart. ``value`` None: too few values yet.
    """

    length: int
    close: Decimal | None = None
    seen: int = 0
    gain: Decimal = ZERO
    loss: Decimal = ZERO

    def add(self, close: Decimal) -> Decimal | None:
        """Take a close and return the index."""
        if self.close is not None:
            self._change(close - self.close)
        self.close = close
        return self.value

    @property
    def value(self) -> Decimal | None:
        """The index; 50 while nothing has moved at all."""
        if self.seen < self.length:
            return None
        both = self.gain + self.loss
        return HUNDRED * self.gain / both if both else HUNDRED / 2

    def _change(self, change: Decimal) -> None:
        self.seen = min(self.seen + 1, self.length + 1)
        gain, loss = max(change, ZERO), max(-change, ZERO)
        if self.seen <= self.length:
            self.gain += gain / self.length
            self.loss += loss / self.length
        else:
            self.gain = (self.gain * (self.length - 1) + gain) / self.length
            self.loss = (self.loss * (self.length - 1) + loss) / self.length


def strength_of(closes: Iterable[Decimal], length: int) -> Strength:
    """Return the index after ``closes``."""
    index = Strength(length)
    for close in closes:
        index.add(close)
    return index
