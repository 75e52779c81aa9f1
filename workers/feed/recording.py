"""A recording as a numbered stream: pure functions of the seq, so nothing is stored but the file.

Seq n is the nth valid row. In ``loop`` the rows come again for ever, lap k shifted onward by k times the
span of the recording; otherwise one End follows the last row.
"""

from __future__ import annotations

import dataclasses
import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from protocol.codec import MARKET
from protocol.messages.market import Candle, End, OnEnd
from protocol.messages.stream import Record
from workers.feed import capture
from workers.feed.capture import SUFFIXES
from workers.feed.config import FeedConfig
from workers.feed.errors import BadRecording
from workers.feed.exchanges.port import Market
from workers.feed.exchanges.symbols import pair
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.file import HEADER, read_frames, read_lines
from workers.feed.row import CANDLE_HEADER, TRADE_HEADER, Layout, Row
from workers.feed.rows import FAULTS, Rows, parse, validated

ENDLESS_SEQ: Final = 2**53
"""The last seq of a recording that loops: more rows than any run reads."""
RECENT: Final = 4096
"""How many records are kept as they were made: several readers ask for the same ones within moments."""
TRADE: Final = "trade"
"""The timeframe of a trade tape."""


@dataclass(frozen=True)
class Settings:
    """What of the configuration decides what the records are."""

    symbol: str
    timeframe: str
    layout: Layout
    on_end: OnEnd


class Recording:
    """The records of a recording. Reading is repeatable: the same seq is always the same record."""

    def __init__(self, rows: Rows, settings: Settings) -> None:
        self._rows = rows
        self._settings = settings
        self._count = len(rows.texts)
        self._span_ms = rows.opens_ms[-1] + max(settings.layout.timeframe_ms, 1) - rows.opens_ms[0]
        self.id = _fingerprint(rows, settings)
        self._recent = lru_cache(maxsize=RECENT)(self._record)
        self.first_seq = 1
        self.last_seq = ENDLESS_SEQ if settings.on_end == "loop" else self._count + 1

    @property
    def count(self) -> int:
        """The number of valid rows of one lap."""
        return self._count

    @property
    def length_ms(self) -> int:
        """The length of a candle; 0 of a trade."""
        return self._settings.layout.timeframe_ms

    @property
    def timeframe(self) -> str:
        """The timeframe of its rows: as configured, or ``trade``."""
        return self._settings.timeframe

    @property
    def rejected(self) -> int:
        """The number of rows of the file that were skipped."""
        return sum(self._rows.rejected.values())

    @property
    def rows(self) -> Rows:
        """The rows and what was skipped."""
        return self._rows

    def read(self, after: int, limit: int) -> tuple[Record, ...]:
        """Return at most ``limit`` records after seq ``after``."""
        last = min(after + limit, self.last_seq)
        return tuple(self.record(seq) for seq in range(max(after, 0) + 1, last + 1))

    def record(self, seq: int) -> Record:
        """Return record ``seq``; its time is the close of the candle."""
        return self._recent(seq)

    def _record(self, seq: int) -> Record:
        message = self.message(seq)
        at_ms = message.at_ms if isinstance(message, End) else message.close_ms
        return Record(seq, at_ms, MARKET.encode(message))

    def message(self, seq: int) -> Candle | End:
        """Return what record ``seq`` says."""
        if self._is_end(seq):
            return End(on_end=self._settings.on_end, at_ms=self.close_ms(self._count))
        return self._candle(seq)

    def close(self, seq: int) -> Decimal:
        """Return the closing price of row ``seq``."""
        return self._candle(seq).close

    def close_ms(self, seq: int) -> int:
        """Return the data time at which record ``seq`` is known; for seq 0 the open of the first row."""
        if seq == 0:
            return self._rows.opens_ms[0]
        lap, index = divmod((self._count if self._is_end(seq) else seq) - 1, self._count)
        return self._rows.opens_ms[index] + self._settings.layout.timeframe_ms + lap * self._span_ms

    def seq_at(self, data_ms: float) -> int:
        """Return the last seq that is known at data time ``data_ms``."""
        length_ms = self._settings.layout.timeframe_ms
        lap, offset_ms = divmod(data_ms - self._rows.opens_ms[0] - length_ms, self._span_ms)
        if lap < 0:
            return 0
        within = bisect_right(self._rows.opens_ms, self._rows.opens_ms[0] + offset_ms)
        seq = int(lap) * self._count + within
        return self.last_seq if seq >= self._count and self.last_seq == self._count + 1 else seq

    def candles_through(self, seq: int) -> int:
        """Return how many of the records up to ``seq`` are candles."""
        return seq - 1 if self._is_end(seq) else seq

    def _is_end(self, seq: int) -> bool:
        return self._settings.on_end != "loop" and seq > self._count

    def _candle(self, seq: int) -> Candle:
        lap, index = divmod(seq - 1, self._count)
        row = parse(self._rows.texts[index], self._settings.layout)
        assert isinstance(row, Row)  # it was one when the file was read
        open_ms = row.open_ms + lap * self._span_ms
        return Candle(
            symbol=self._settings.symbol,
            timeframe=self._settings.timeframe,
            open_ms=open_ms,
            close_ms=open_ms + self._settings.layout.timeframe_ms,
            open=row.open,
            high=row.high,
            low=row.low,
            close=row.close,
            volume=row.volume,
            nth=index - bisect_left(self._rows.opens_ms, self._rows.opens_ms[index]),
        )


def load(path: Path, config: FeedConfig) -> Recording:
    """Read the whole file and check every row. Raises BadRecording when there is nothing to send."""
    bad_frames = 0
    if path.name.endswith(SUFFIXES):
        frames = _frames(path, config)
        columns, lines, bad_frames = frames.columns, frames.lines, frames.bad
        config = replace(config, time="open", volume="base")
    else:
        columns, lines = read_lines(path)
    timeframe, layout = _shape(columns, config)
    rows = validated(lines, layout)
    if bad_frames:
        rows = dataclasses.replace(rows, rejected={"frame": bad_frames, **rows.rejected})
    if not rows.texts:
        raise BadRecording(path=path, found=_nothing(rows), wanted=f"rows must be {HEADER}")
    return Recording(rows, Settings(config.symbol, timeframe, layout, config.on_end))


def _frames(path: Path, config: FeedConfig) -> capture.Rows:
    exchange = EXCHANGES.get(config.exchange)
    if exchange is None:
        wanted = f"set exchange to one of {', '.join(sorted(EXCHANGES))}"
        raise BadRecording(path=path, found=f"frames of {config.exchange!r} cannot be read", wanted=wanted)
    kind = config.market or exchange.kinds[0]
    try:
        market = Market(pair(config.symbol), kind, config.timeframe, config.timeframe_ms)
    except ValueError as error:
        raise BadRecording(
            path=path, found=f"its market is not known: {error}", wanted="set symbol"
        ) from error
    lines, cut = read_frames(path)
    rows = capture.rows_of(lines, exchange.session(market), config.timeframe_ms)
    if not rows.lines:
        found = f"it holds no closed candle and no trade of {exchange.name} {kind} {config.symbol}"
        if rows.bad:
            found += f"; {rows.bad} of its lines are no frames of {exchange.name}"
        raise BadRecording(
            path=path, found=found, wanted="set exchange, market, symbol and timeframe to its own"
        )
    # The line in which a file is cut off is bad as a rule; if it ends with a whole one, the cut is counted.
    return dataclasses.replace(rows, bad=max(rows.bad, int(cut)))


def _shape(columns: tuple[str, ...], config: FeedConfig) -> tuple[str, Layout]:
    if columns == CANDLE_HEADER:
        return config.timeframe, Layout(config.timeframe_ms, config.time, config.volume)
    return TRADE, Layout(0, volume=config.volume, trades=columns[len(TRADE_HEADER) :])


def _nothing(rows: Rows) -> str:
    if not rows.rejected:
        return "it holds a header and no rows"
    first = rows.examples[0]
    return (
        f"none of its rows is valid; line {first.line} ({first.kind}: {FAULTS[first.kind]}): {first.text!r}"
    )


def _fingerprint(rows: Rows, settings: Settings) -> str:
    """Return a name that is the same for the same records, whatever the file is called."""
    digest = hashlib.sha256(repr(settings).encode())
    for text in rows.texts:
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()[:32]
