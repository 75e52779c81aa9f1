"""From the text of a recording to valid rows: pure, the whole file at once.

A row is kept as its own text, so that a month of minutes is a few megabytes; it becomes a Candle when it is
read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from workers.feed.row import CANDLE, CANDLE_HEADER, LATEST_MS, Layout, Row, in_base, price
from workers.feed.trades import parse_trade

MAX_ROWS_LOGGED: Final = 5
FAULTS: Final[Mapping[str, str]] = {
    "columns": "it has not as many columns as the header",
    "number": "times must be whole milliseconds, the others numbers below 10**18, not negative",
    "time": "its time is beyond the year 9999; times must be milliseconds since 1970",
    "off_grid": "its time is no multiple of the timeframe; times must be milliseconds since 1970",
    "price": "its price is not above zero",
    "range": "high and low do not hold open and close between them",
    "volume": "its volume is absurdly large",
    "amount": "its amount is not above zero",
    "side": "its side is neither buy nor sell",
    "not_market": "it is no trade of the open market",
    "order": "its time does not follow that of the row before",
    "duplicate": "its trade_id was there before",
    "far_off": "its close is more than half off, and the next row does not confirm it",
}
"""The kinds of fault of a row, in words."""
FAR_OFF: Final = Decimal("0.5")
"""A close further than this share off the last one waits for the next row to confirm it."""


@dataclass(frozen=True)
class BadRow:
    """A line that was skipped, and why. ``kind`` is a fixed name to count by."""

    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class Rows:
    """The valid rows, as text, with the times at which they open; what was skipped, counted by kind."""

    texts: tuple[str, ...]
    opens_ms: tuple[int, ...]
    rejected: Mapping[str, int]
    examples: tuple[BadRow, ...]


def parse(text: str, layout: Layout) -> Row | str:
    """Return the row that ``text`` holds, or the kind of its fault."""
    if layout.trades is not None:
        return parse_trade(text, layout)
    found = CANDLE.match(text)
    if found is None:
        return "number" if text.count(",") == len(CANDLE_HEADER) - 1 else "columns"
    ts_ms, opened, high, low, close, volume = found.groups()
    prices = price(opened), price(high), price(low), price(close)
    return _checked(int(ts_ms), prices, Decimal(volume), layout)


def _checked(ts_ms: int, prices: tuple[Decimal, ...], volume: Decimal, layout: Layout) -> Row | str:
    opened, high, low, close = prices
    open_ms = ts_ms if layout.time == "open" else ts_ms - layout.timeframe_ms
    if open_ms + layout.timeframe_ms > LATEST_MS:
        return "time"
    if open_ms < 0 or open_ms % layout.timeframe_ms:
        return "off_grid"
    if low <= 0:
        return "price"
    if low > min(opened, close) or high < max(opened, close):
        return "range"
    amount = in_base(volume, close) if layout.volume == "quote" else volume
    return "volume" if amount is None else Row(open_ms, opened, high, low, close, amount)


def validated(lines: Iterable[str], layout: Layout) -> Rows:
    """Keep the valid rows of ``lines`` (without the header) whose time goes on.

    Of candles that means later; of trades not earlier, for many share a millisecond: they are told apart by
    their ids where there are any.
    """
    keeper = _Keeper(step_ms=1 if layout.trades is None else 0)
    for line, text in enumerate(lines, start=2):
        if stripped := text.strip():
            keeper.take(line, stripped, parse(stripped, layout))
    return keeper.rows()


@dataclass
class _Keeper:
    step_ms: int
    texts: list[str] = field(default_factory=list)
    opens_ms: list[int] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    last_close: Decimal | None = None
    waiting: tuple[int, str, Row] | None = None
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[BadRow] = field(default_factory=list)

    def take(self, line: int, text: str, row: Row | str) -> None:
        if isinstance(row, str):
            self._reject(line, row, text)
        elif row.open_ms < self._newest_ms() + self.step_ms:
            self._reject(line, "order", text)
        elif row.trade_id in self.ids:
            self._reject(line, "duplicate", text)
        else:
            if row.trade_id:
                self.ids.add(row.trade_id)
            self._release_waiting(row.close)
            self._keep_or_hold(line, text, row)

    def rows(self) -> Rows:
        self._drop_waiting()
        return Rows(tuple(self.texts), tuple(self.opens_ms), dict(self.counts), tuple(self.examples))

    def _newest_ms(self) -> int:
        if self.waiting is not None:
            return self.waiting[2].open_ms
        return self.opens_ms[-1] if self.opens_ms else -self.step_ms

    def _keep_or_hold(self, line: int, text: str, row: Row) -> None:
        if self.last_close is not None and _far(row.close, self.last_close):
            self.waiting = (line, text, row)
        else:
            self._keep(text, row)

    def _release_waiting(self, next_close: Decimal) -> None:
        if self.waiting is not None and not _far(next_close, self.waiting[2].close):
            self._keep(*self.waiting[1:])
            self.waiting = None
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        if self.waiting is not None:
            self._reject(self.waiting[0], "far_off", self.waiting[1])
            self.waiting = None

    def _keep(self, text: str, row: Row) -> None:
        self.texts.append(text)
        self.opens_ms.append(row.open_ms)
        self.last_close = row.close

    def _reject(self, line: int, kind: str, text: str) -> None:
        self.counts[kind] += 1
        if len(self.examples) < MAX_ROWS_LOGGED:
            self.examples.append(BadRow(line, kind, text[:120]))


def _far(close: Decimal, last: Decimal) -> bool:
    return abs(close - last) > last * FAR_OFF
