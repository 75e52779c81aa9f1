"""How far a strategy that listens may go on a recording: to the row whose fills it has heard, or further
where the broker has said that there will be none.

```
   the broker:    through 7, still          through 12        through 13, still
   the strategy:  8  9  10  11 (an order)   12                13  14  15 ...
```

*Still* means that no order works and nothing can be liquidated, so that nothing happens until somebody
orders. The first order of the strategy itself ends that: what becomes of it is heard row by row.
"""

from __future__ import annotations

from protocol.messages.trading import Through


class Horizon:
    """``through``: the last row whose fills an earlier life has heard; ``done_row``: the last one it did."""

    def __init__(self, through: int, done_row: int) -> None:
        self.through = through
        self._still: int | None = None
        # Whether the rows of an earlier life had orders is not known, and one row costs little.
        self._asked_row = done_row

    def heard(self, news: Through) -> None:
        """Learn that the broker has told all of a row."""
        self.through = news.row
        self._still = news.row if news.still else None

    def asked(self, row: int) -> None:
        """Note that an order, or the cancel of one, went out on ``row``."""
        self._asked_row = row

    def allows(self, row: int) -> bool:
        """Whether all that must be known before ``row`` is known."""
        return row <= self.through or (self._still is not None and self._still > self._asked_row)
