"""A recording of an exchange's raw frames as rows of candles, or of trades where it holds no candles. Pure.

The frames go through the same parser as live ones, and candles are final by the same rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from workers.feed.exchanges.events import BadFrame, Kline, Print
from workers.feed.exchanges.port import Session
from workers.feed.live.finality import Finality
from workers.feed.live.identity import TradeIds
from workers.feed.row import CANDLE_HEADER, TRADE_HEADER

SUFFIXES: Final = (".ws.jsonl", ".ws.jsonl.gz")
TAPE_HEADER: Final = (*TRADE_HEADER, "trade_id")


class Line(msgspec.Struct):
    """One line of the recording: ``ts`` in seconds, ``direction`` in, out or open."""

    ts: float
    direction: str
    frame: str


@dataclass(frozen=True)
class Rows:
    """The columns, the rows as text, and how many lines were no frames in the exchange's form."""

    columns: tuple[str, ...]
    lines: list[str]
    bad: int


def rows_of(lines: Iterable[bytes], session: Session, length_ms: int) -> Rows:
    """Return the candles of ``length_ms`` that close in the recording; without candles its trades."""
    reader = _Reader(session, Finality(length_ms))
    for line in lines:
        reader.take(line)
    if reader.saw_candles:
        return Rows(CANDLE_HEADER, reader.candles, reader.bad)
    return Rows(TAPE_HEADER, reader.trades, reader.bad)


class _Reader:
    def __init__(self, session: Session, finality: Finality) -> None:
        self._session, self._finality, self._ids = session, finality, TradeIds()
        self.candles: list[str] = []
        self.trades: list[str] = []
        self.saw_candles = False
        self.bad = 0

    def take(self, text: bytes) -> None:
        if not text.strip():
            return
        try:
            line = msgspec.json.decode(text, type=Line)
            events = self._session.parse(line.frame) if line.direction == "in" else ()
        except (msgspec.MsgspecError, BadFrame):
            self.bad += 1
            return
        for event in events:
            if isinstance(event, Kline):
                self.saw_candles = True
                self._finality.saw(event, line.ts)
            elif isinstance(event, Print) and event.ordinary:
                self.trades += self._trade(event)
        self.candles += [_candle(kline) for kline, _ in self._finality.take(line.ts)]

    def _trade(self, trade: Print) -> Iterator[str]:
        trade_id = trade.trade_id or self._ids.made(trade.at_ms)
        if self._ids.fresh(trade_id, trade.at_ms):
            yield f"{trade.at_ms},{trade.price:f},{trade.amount:f},{trade.side},{trade_id}"


def _candle(kline: Kline) -> str:
    values = (kline.open, kline.high, kline.low, kline.close, kline.volume)
    return ",".join([str(kline.open_ms), *(f"{value:f}" for value in values)])
