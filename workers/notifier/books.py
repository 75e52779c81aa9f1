"""Reads what brokers and strategies keep, and changes nothing. What is not there counts as empty."""

from __future__ import annotations

import heapq
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from protocol.journal import open_readonly
from workers.notifier.rounds import Equity

MOST_POINTS: Final = 100_000
MOST_LINES: Final = 20


class Books:
    """The databases in ``state_dir/data``. Every method raises sqlite3.Error for one that cannot be read."""

    def __init__(self, state_dir: Path, brokers: tuple[str, ...]) -> None:
        self._folder, self._brokers = state_dir / "data", brokers

    def equity(self, since_ms: int) -> Equity:
        """Return the equity of all accounts together, from the last point before ``since_ms`` on; of more
        than ``MOST_POINTS`` of an account the last ones."""
        query = (
            "SELECT * FROM (SELECT at_ms, equity FROM equity WHERE at_ms >= coalesce((SELECT max(at_ms)"
            " FROM equity WHERE at_ms <= ?), 0) ORDER BY at_ms DESC LIMIT ?) ORDER BY at_ms"
        )
        series = {b: self._rows(b, query, (since_ms, MOST_POINTS)) for b in self._brokers}
        series = {broker: rows for broker, rows in series.items() if rows}
        latest: dict[str, Decimal] = {}
        found = []
        for at_ms, broker, equity in heapq.merge(
            *([(row[0], broker, row[1]) for row in rows] for broker, rows in series.items())
        ):
            latest[broker] = Decimal(equity)
            if len(latest) == len(series):
                found.append((int(at_ms), sum(latest.values(), Decimal(0))))
        return found

    def positions(self) -> list[tuple[str, str, str]]:
        """Return symbol, quantity and average price of what is held now."""
        query = "SELECT symbol, quantity, average FROM positions ORDER BY symbol"
        return [row for broker in self._brokers for row in self._rows(broker, query)]

    def trades(self) -> list[tuple[str, str]]:
        """Return realised profit and fees of each round trip on record."""
        query = "SELECT realised, fees FROM trades"
        return [row for broker in self._brokers for row in self._rows(broker, query)]

    def signals(self) -> list[tuple[Any, ...]]:
        """Return the last signals: time, strategy, symbol, action, confidence."""
        query = (
            "SELECT at_ms, strategy, symbol, action, confidence FROM signals WHERE action != 'hold'"
            " ORDER BY at_ms DESC LIMIT ?"
        )
        names = sorted(path.stem for path in self._folder.glob("*.db"))
        rows = [row for name in names for row in self._rows(name, query, (MOST_LINES,))]
        return sorted(rows, reverse=True)[:MOST_LINES]

    def _rows(self, name: str, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        path = self._folder / f"{name}.db"
        if not path.exists():
            return []
        try:
            with closing(open_readonly(path)) as connection:
                return connection.execute(query, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
