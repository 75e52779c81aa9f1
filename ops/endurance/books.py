"""Do the books balance? Counted anew from the broker's tables, beside what the broker says of itself."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Final

from workers.broker.state import BrokerState, restore

PRECISION: Final = 60
"""Digits; nothing of an hour's trading needs as many, so no sum is rounded."""


class Unbalanced(Exception):
    """Two accounts of the same money differ; the message says which."""


@dataclass(frozen=True)
class Balance:
    """What the tables amount to: how many fills, and the account's worth."""

    fills: int
    equity: Decimal


def balance(database: Path) -> Balance | None:
    """Check the broker's books in one consistent reading; None before the first step.

    ``equity = cash0 + realised - fees + funding + open profit``, each sum taken over the rows of its table,
    equals cash and what is held at its price; the ledger's rows add up to the cash, and every balance in it
    to the rows before it. Raises Unbalanced.
    """
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        connection.execute("BEGIN")
        found = connection.execute("SELECT body FROM core_state").fetchone()
        if found is None:
            return None
        with localcontext(Context(prec=PRECISION)):
            return _checked(connection, restore(bytes(found[0]), Decimal(1)))
    finally:
        connection.close()


def _checked(connection: sqlite3.Connection, state: BrokerState) -> Balance:
    books = state.books
    _equal("the ledger's rows and the cash", _ledger(connection), books.cash)
    realised, fees = _sum(connection, "fills", "realised"), _sum(connection, "fills", "fee")
    funding = _sum(connection, "funding", "amount")
    opened, worth = Decimal(0), Decimal(0)
    for symbol, quantity, cost, contract in connection.execute(
        "SELECT symbol, quantity, cost, contract FROM positions"
    ):
        mark = state.marks[symbol]
        profit = Decimal(quantity) * mark - Decimal(cost)
        opened += profit
        worth += Decimal(quantity) * mark if contract == "spot" else profit
    equity = books.cash0 + realised - fees + funding + opened
    _equal("cash with what is held, and the sums over the tables", books.cash + worth, equity)
    _equal("the broker's own equity and the sums over the tables", books.equity(state.marks), equity)
    (fills,) = connection.execute("SELECT count(*) FROM fills").fetchone()
    return Balance(fills, equity)


def _ledger(connection: sqlite3.Connection) -> Decimal:
    total, query = Decimal(0), "SELECT number, amount, balance FROM ledger ORDER BY number"
    for number, amount, after in connection.execute(query):
        total += Decimal(amount)
        _equal(f"the ledger's rows and the balance in row {number}", total, Decimal(after))
    return total


def _sum(connection: sqlite3.Connection, table: str, column: str) -> Decimal:
    rows = connection.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
    return sum((Decimal(amount) for (amount,) in rows), Decimal(0))


def _equal(what: str, one: Decimal, other: Decimal) -> None:
    if one != other:
        raise Unbalanced(f"{what} differ: {one} and {other}")
