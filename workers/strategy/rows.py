"""The rows of all markets that a strategy follows, in one order.

The first market of ``inputs`` is the *leading* one: its rows are what the strategy says to be through with,
and what its orders are numbered by, so that a broker in that market need not know the others. On recordings
the order is that of time of the data, then symbol, whatever arrives first:

```
    leading  A   ----1------2------3---->        order: B1 A1 | B2 A2 B3 | A3      (B3 and A2 close together)
    other    B   --1------2-3--------4-->        rows:   1  1    2  2  2    3
```

A row waits until every other market has shown what comes next in it. Live markets wait for nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from protocol.messages.stream import Record

BUFFERED: Final = 1000
"""The most records of one input that wait here."""


@dataclass
class Lane:
    """The rows of one market that are here. ``ended``: nothing follows."""

    source: str
    symbol: str
    queue: deque[Record] = field(default_factory=deque)
    ended: bool = False

    @property
    def room(self) -> int:
        """How many more may wait."""
        return BUFFERED - len(self.queue)


class Rows:
    """Merges lanes. ``done_row`` and ``done_ms`` are the last leading row handled and its time."""

    def __init__(self, done_row: int = 0, done_ms: int = -1, told_row: int = 0) -> None:
        self.done_row, self.done_ms, self.told_row = done_row, done_ms, told_row
        self.lockstep = True
        self._lanes: list[Lane] = []
        self._leading: Lane | None = None

    def open(self, source: str, symbol: str, *, leads: bool, ended: bool) -> None:
        """Add a market; ``leads`` the one whose rows count."""
        lane = Lane(source, symbol, ended=ended)
        self._lanes = sorted([*self._lanes, lane], key=lambda it: (it.symbol, it.source))
        if leads:
            self._leading = lane

    def take(self, source: str, records: Sequence[Record]) -> None:
        """Take the next rows of a market."""
        self._lane(source).queue.extend(records)

    def room(self, source: str) -> int:
        """Return how many more rows of a market may wait here."""
        return self._lane(source).room

    def next(self) -> Lane | None:
        """Return the market whose first row is the next one; None while that cannot be known."""
        if len(self._lanes) == 1:
            lane = self._lanes[0]
            return lane if lane.queue else None
        if self._waits():
            return None
        here = [lane for lane in self._lanes if lane.queue]
        return min(here, key=lambda lane: lane.queue[0].at_ms, default=None)

    def pop(self, lane: Lane, *, ended: bool) -> int:
        """Take the first row of ``lane`` out; returns the leading row that it belongs to."""
        record = lane.queue.popleft()
        lane.ended = lane.ended or ended
        if lane is self._leading:
            self.done_row, self.done_ms = record.seq, record.at_ms
            return record.seq
        return self.row_of(record)

    def row_of(self, record: Record) -> int:
        """Return the leading row that a row of another market belongs to."""
        open_row = self.told_row < self.done_row and record.at_ms <= self.done_ms
        return self.done_row if open_row or not self.lockstep or self.over else self.done_row + 1

    def finished_row(self) -> int | None:
        """Return the leading row that nothing more belongs to, if that is news; it counts as told then."""
        if self.told_row == self.done_row or self._may_follow():
            return None
        self.told_row = self.done_row
        return self.done_row

    @property
    def leading(self) -> Lane | None:
        """The market whose rows count."""
        return self._leading

    @property
    def missing(self) -> str | None:
        """Return the market that the others wait for."""
        if len(self._lanes) < 2 or not any(lane.queue for lane in self._lanes):
            return None
        return next((it.source for it in self._lanes if self._is_open(it)), None) if self._waits() else None

    @property
    def over(self) -> bool:
        """Whether the leading market has ended: what others still send belongs to nothing."""
        return self._leading is not None and self._leading.ended

    def _waits(self) -> bool:
        return self.lockstep and not self.over and any(map(self._is_open, self._lanes))

    def _is_open(self, lane: Lane) -> bool:
        return not lane.queue and not lane.ended

    def _may_follow(self) -> bool:
        """Whether a row of another market may still belong to the last leading row."""
        if len(self._lanes) == 1 or not self.lockstep or self.over:
            return False
        # A tape has rows of one moment: what shares it with the next leading row belongs to that one.
        if (leading := self._leading) is not None and leading.queue and self._is_due(leading):
            return False
        others = (lane for lane in self._lanes if lane is not leading)
        return any(self._is_open(lane) or self._is_due(lane) for lane in others)

    def _is_due(self, lane: Lane) -> bool:
        return bool(lane.queue) and lane.queue[0].at_ms <= self.done_ms

    def _lane(self, source: str) -> Lane:
        return next(lane for lane in self._lanes if lane.source == source)
