"""The rows of all markets that a strategy follows, in one order.

The first market of ``inputs`` is the *leading* one: its rows are what the strategy says to be through with,
and what its orders are numbered by, so that a broker in that market need not know the others. On recordings
the order is that of the time of the data, then symbol, whatever arrives first; of one moment the leading
row comes last, so that it sees all that has closed:

```
    leading  A   ----1------2------3---->        order: B1 A1 | B2 B3 A2 | A3      (B3 and A2 close together)
    other    B   --1------2-3--------4-->        row:    1  1    2  2  2    3
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
    leads: bool
    ended: bool = False
    queue: deque[Record] = field(default_factory=deque)


class Rows:
    """Merges lanes. ``done_row`` is the last leading row handled, ``told_row`` the last one told to be
    done."""

    def __init__(self, done_row: int = 0) -> None:
        self.done_row = self.told_row = done_row
        self.lockstep = True
        self.leading: Lane | None = None
        self._lanes: list[Lane] = []

    def open(self, source: str, symbol: str, *, leads: bool, ended: bool) -> None:
        """Add a market; ``leads`` the one whose rows count."""
        lane = Lane(source, symbol, leads, ended)
        self._lanes = sorted([*self._lanes, lane], key=lambda it: (it.leads, it.symbol, it.source))
        self.leading = lane if leads else self.leading

    def take(self, source: str, records: Sequence[Record]) -> None:
        """Take the next rows of a market."""
        self._lane(source).queue.extend(records)

    def room(self, source: str) -> int:
        """Return how many more rows of a market may wait here."""
        return BUFFERED - len(self._lane(source).queue)

    def next(self) -> Lane | None:
        """Return the market whose first row is the next one; None while that cannot be known."""
        if len(self._lanes) == 1:
            lane = self._lanes[0]
            return lane if lane.queue else None
        if self._wants() is not None:
            return None
        here = (lane for lane in self._lanes if lane.queue)
        return min(here, key=lambda lane: lane.queue[0].at_ms, default=None)

    def pop(self, lane: Lane, *, ended: bool) -> int:
        """Take the first row of ``lane`` out; returns the leading row that it belongs to."""
        row = self.row_of(lane)
        lane.queue.popleft()
        lane.ended = ended
        if lane.leads:
            self.done_row = row
        return row

    def row_of(self, lane: Lane) -> int:
        """Return the leading row that the first row of ``lane`` belongs to."""
        if lane.leads:
            return lane.queue[0].seq
        return self.done_row + 1 if self.lockstep and not self.over else self.done_row

    def finished_row(self) -> int | None:
        """Return the leading row that nothing more belongs to, if that is news; it counts as told then."""
        if self.told_row == self.done_row:
            return None
        self.told_row = self.done_row
        return self.done_row

    @property
    def missing(self) -> str | None:
        """Return the market that rows of another one wait for."""
        return self._wants() if any(lane.queue for lane in self._lanes) else None

    @property
    def over(self) -> bool:
        """Whether the leading market has ended: what others still send belongs to nothing."""
        return self.leading is not None and self.leading.ended

    def _wants(self) -> str | None:
        """The market that has not shown yet what comes next in it, where that matters."""
        if not self.lockstep or self.over:
            return None
        return next((it.source for it in self._lanes if not it.queue and not it.ended), None)

    def _lane(self, source: str) -> Lane:
        return next(lane for lane in self._lanes if lane.source == source)
