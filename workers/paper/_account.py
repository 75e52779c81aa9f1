"""Reading an account for a report: the books, round trips, the equity series, the curbs on trading."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from workers.broker.performance import (
    DAY_MS,
    Point,
    Tally,
    Trip,
    max_drawdown,
    sharpe,
    sortino,
    tally,
)
from workers.broker.state import BrokerState, restore
from workers.paper._databases import opened
from workers.paper._failure import Failure

PERIODS_MS: Final[dict[str, int | None]] = {"day": DAY_MS, "week": 7 * DAY_MS, "all": None}


@dataclass(frozen=True)
class Account:
    """An account over a period that ends with the last data. ``since_ms`` is where it begins (0: all).

    ``kept_from_ms``: the oldest fill on record, where older ones were forgotten; else None.
    """

    state: BrokerState
    since_ms: int
    trips: tuple[Trip, ...]
    series: tuple[Point, ...]
    counts: dict[str, int]
    denials: dict[str, int]
    kept_from_ms: int | None


def read_account(books: Path, period: str) -> Account:
    """Read what ``period`` (day, week, all) asks for; fails in words where the books cannot be read."""
    with opened(books) as connection:
        found = connection.execute("SELECT body FROM core_state").fetchone()
        if found is None:
            raise Failure(f"{books}: nothing was traded yet, and no price was seen")
        state = restore(bytes(found[0]), Decimal(1))
        length = PERIODS_MS[period]
        since = 0 if length is None else max(state.at_ms - length, 0)
        return Account(
            state=state,
            since_ms=since,
            trips=_trips(connection, since),
            series=_series(connection, since),
            counts={table: _count(connection, table, since) for table in ("orders", "fills", "funding")},
            denials=_denials(connection, since),
            kept_from_ms=_kept_from(connection),
        )


def report(account: Account, period: str) -> dict[str, Any]:
    """Return the report as one object: amounts as decimal strings, ratios as numbers."""
    state, series = account.state, account.series
    equity = state.books.equity(state.marks)
    start = series[0][1] if account.since_ms and series else state.books.cash0
    return {
        "period": period,
        "from_ms": account.since_ms or (series[0][0] if series else None),
        "to_ms": state.at_ms,
        "kept_from_ms": account.kept_from_ms,
        "equity_start": _plain(start),
        "equity": _plain(equity),
        "cash": _plain(state.books.cash),
        "gain": _plain(equity - start),
        **account.counts,
        "funding_pending": len(state.owed),
        "denied": account.denials,
        **_figures(tally(account.trips)),
        "max_drawdown": _rounded(max_drawdown(series)),
        "sharpe": _rounded(sharpe(series)),
        "sortino": _rounded(sortino(series)),
        "by_strategy": _grouped(account.trips, "strategy"),
        "by_reason": _grouped(account.trips, "reason"),
        "trading": [
            {"state": c.state, "trigger": c.trigger, "strategy": c.strategy, "until_ms": c.until_ms}
            for c in state.trading.curbs
        ],
    }


def _figures(sums: Tally) -> dict[str, Any]:
    return {
        "trades": sums.trades,
        "wins": sums.wins,
        "losses": sums.losses,
        "realised": _plain(sums.made),
        "fees": _plain(sums.fees),
        "funding_paid": _plain(sums.funding),
        "win_rate": _rounded(sums.win_rate),
        "profit_factor": _rounded(sums.profit_factor),
        "expectancy": _rounded(sums.expectancy),
    }


def _grouped(trips: Sequence[Trip], by: str) -> dict[str, dict[str, Any]]:
    names = sorted({getattr(trip, by) for trip in trips})
    return {name: _figures(tally(t for t in trips if getattr(t, by) == name)) for name in names}


def _trips(connection: sqlite3.Connection, since: int) -> tuple[Trip, ...]:
    query = "SELECT strategy, reason, realised, fees, funding FROM trades WHERE closed_ms > ? ORDER BY number"
    rows = connection.execute(query, (since,))
    return tuple(Trip(who, why, Decimal(m), Decimal(f), Decimal(p)) for who, why, m, f, p in rows)


def _series(connection: sqlite3.Connection, since: int) -> tuple[Point, ...]:
    rows = connection.execute("SELECT at_ms, equity FROM equity WHERE at_ms >= ? ORDER BY at_ms", (since,))
    return tuple((at_ms, Decimal(equity)) for at_ms, equity in rows)


def _count(connection: sqlite3.Connection, table: str, since: int) -> int:
    column = "decided_ms" if table == "orders" else "at_ms"
    found = connection.execute(f"SELECT count(*) FROM {table} WHERE {column} > ?", (since,)).fetchone()
    return int(found[0])


def _denials(connection: sqlite3.Connection, since: int) -> dict[str, int]:
    query = (
        "SELECT code, count(*) FROM orders WHERE status = 'denied' AND decided_ms > ?"
        " GROUP BY code ORDER BY code"
    )
    return {str(code): int(count) for code, count in connection.execute(query, (since,))}


def _kept_from(connection: sqlite3.Connection) -> int | None:
    found = connection.execute("SELECT number, at_ms FROM fills ORDER BY number LIMIT 1").fetchone()
    return None if found is None or found[0] == 1 else int(found[1])


def _plain(amount: Decimal) -> str:
    return f"{amount:.8f}".rstrip("0").rstrip(".")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
