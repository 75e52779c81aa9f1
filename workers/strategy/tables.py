"""The strategy's own table, read by ``paper signals``."""

from __future__ import annotations

import json
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
    traded INTEGER NOT NULL
)
"""
SIGNALS_KEPT: Final = 200_000
"""Older ones are forgotten: some months of a signal each minute, a day of the looping demo."""

TABLES: Final = (SIGNALS,)

INSERT: Final = (
    "INSERT INTO signals (strategy, symbol, timeframe, row, at_ms, action, confidence, reasons, traded) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


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
        ),
    )
