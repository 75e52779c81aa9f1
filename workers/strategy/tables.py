"""The strategy's own table, read by ``paper signals``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from protocol.messages.trading import Signal
from workers.shared.core import Write

SIGNALS: Final = """
CREATE TABLE IF NOT EXISTS signals (
    id INTEGER PRIMARY KEY,
    strategy TEXT NOT NULL,
    symbol TEXT NOT NULL,
    timeframe TEXT NOT NULL,
    row INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    action TEXT NOT NULL,
    confidence TEXT NOT NULL,
    reasons TEXT NOT NULL,
    traded INTEGER NOT NULL,
    why_not TEXT,
    parameters TEXT
)
"""
BY_TIME: Final = "CREATE INDEX IF NOT EXISTS signals_by_time ON signals (at_ms)"
BY_SYMBOL: Final = "CREATE INDEX IF NOT EXISTS signals_by_symbol ON signals (symbol, at_ms)"
TABLES: Final = (SIGNALS, BY_TIME, BY_SYMBOL)

INSERT: Final = (
    "INSERT INTO signals (strategy, symbol, timeframe, row, at_ms, action, confidence, reasons, traded,"
    " why_not, parameters) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
TOO_OLD: Final = "DELETE FROM signals WHERE at_ms < ?"
SWEPT_EVERY: Final = 256
"""Signals between two looks at what is too old; what is too many is forgotten by the housekeeping."""


def stored(signal: Signal) -> Write:
    """Return the statement that stores a signal; ``reasons`` as a JSON array, ``confidence`` as text."""
    return Write(
        INSERT,
        (
            signal.strategy,
            signal.symbol,
            signal.timeframe,
            signal.row,
            signal.at_ms,
            signal.action,
            str(signal.confidence),
            json.dumps(signal.reasons),
            int(signal.traded),
            signal.why_not,
            signal.parameters,
        ),
    )


def swept(count: int, at_ms: int, keep_ms: int) -> Iterator[Write]:
    """Yield what forgets the signals older than ``keep_ms``, when the ``count``-th one asks for it."""
    if count % SWEPT_EVERY == 0:
        yield Write(TOO_OLD, (at_ms - keep_ms,))
