"""The broker's tables: the history that people and reports read, and the fingerprint of it.

Written in the transaction of the step that made it. Amounts are decimal strings, times are UTC milliseconds
of the data. What the core needs to go on is in its state, not here; the unique keys are a second net under
its own checks.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Final

import msgspec

from protocol.messages.trading import Fill, Order
from workers.broker.ledger import Flow, Position
from workers.broker.money import text
from workers.shared.core import Write

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS orders (
        number INTEGER PRIMARY KEY, client_order_id TEXT NOT NULL UNIQUE, strategy TEXT NOT NULL,
        symbol TEXT NOT NULL, row INTEGER NOT NULL, leg INTEGER NOT NULL, decided_ms INTEGER NOT NULL,
        side TEXT NOT NULL, size TEXT NOT NULL, reduce_only INTEGER NOT NULL, quantity TEXT,
        status TEXT NOT NULL, filled TEXT NOT NULL, code TEXT, detail TEXT, changed_ms INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS fills (
        number INTEGER PRIMARY KEY, fill_id TEXT NOT NULL UNIQUE, client_order_id TEXT NOT NULL,
        strategy TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, price TEXT NOT NULL,
        quantity TEXT NOT NULL, fee TEXT NOT NULL, realised TEXT NOT NULL, position TEXT NOT NULL,
        at_ms INTEGER NOT NULL, row INTEGER NOT NULL, liquidity TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS ledger (
        number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, reference TEXT NOT NULL,
        amount TEXT NOT NULL, balance TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS funding (
        symbol TEXT NOT NULL, at_ms INTEGER NOT NULL, rate TEXT NOT NULL, mark TEXT NOT NULL,
        quantity TEXT NOT NULL, amount TEXT NOT NULL, PRIMARY KEY (symbol, at_ms))""",
    """CREATE TABLE IF NOT EXISTS positions (
        symbol TEXT PRIMARY KEY, contract TEXT NOT NULL, quantity TEXT NOT NULL, average TEXT NOT NULL,
        cost TEXT NOT NULL, changed_ms INTEGER NOT NULL)""",
)

_CANONICAL: Final = (
    "SELECT 'order', number, client_order_id, strategy, symbol, row, leg, decided_ms, side, size,"
    " reduce_only, quantity, status, filled, code, changed_ms FROM orders ORDER BY number",
    "SELECT 'fill', number, fill_id, client_order_id, strategy, symbol, side, price, quantity, fee,"
    " realised, position, at_ms, row, liquidity FROM fills ORDER BY number",
    "SELECT 'funding', symbol, at_ms, rate, mark, quantity, amount FROM funding ORDER BY at_ms, symbol",
    "SELECT 'ledger', number, at_ms, kind, reference, amount, balance FROM ledger ORDER BY number",
)


def digest(connection: sqlite3.Connection) -> str:
    """Return the SHA-256 (hex) over all orders, fills, funding and ledger rows.

    The canonical form is one JSON array a row, newline-ended, tables and rows in a fixed order. It holds data
    only: no wall-clock time, no process, no sentence for people.
    """
    total = hashlib.sha256()
    for query in _CANONICAL:
        for row in connection.execute(query):
            total.update(msgspec.json.encode(row) + b"\n")
    return total.hexdigest()


def insert_order(
    number: int,
    order: Order,
    *,
    status: str,
    quantity: str | None,
    at_ms: int,
    code: str | None,
    detail: str | None,
) -> Write:
    """Keep a new order. An id that is on record already stays as it is."""
    sql = (
        "INSERT INTO orders (number, client_order_id, strategy, symbol, row, leg, decided_ms, side, size,"
        " reduce_only, quantity, status, filled, code, detail, changed_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '0', ?, ?, ?) ON CONFLICT (client_order_id) DO NOTHING"
    )
    what = (order.client_order_id, order.strategy, order.symbol, order.row, order.leg, order.decided_ms)
    how = (order.side, msgspec.json.encode(order.size).decode(), int(order.reduce_only), quantity)
    return Write(sql, (number, *what, *how, status, code, detail, at_ms))


def update_order(client_order_id: str, *, status: str, filled: str, code: str | None, at_ms: int) -> Write:
    """Move an order on."""
    sql = "UPDATE orders SET status = ?, filled = ?, code = ?, changed_ms = ? WHERE client_order_id = ?"
    return Write(sql, (status, filled, code, at_ms, client_order_id))


def insert_fill(number: int, fill: Fill) -> Write:
    """Keep a fill. A repeated fill id breaks the transaction: it must never happen."""
    amounts = (fill.price, fill.quantity, fill.fee, fill.realised, fill.position)
    sql = (
        "INSERT INTO fills (number, fill_id, client_order_id, strategy, symbol, side, price, quantity, fee,"
        " realised, position, at_ms, row, liquidity) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    who = (fill.fill_id, fill.client_order_id, fill.strategy, fill.symbol, fill.side)
    return Write(sql, (number, *who, *map(text, amounts), fill.at_ms, fill.row, fill.liquidity))


def insert_flow(number: int, flow: Flow, *, reference: str, at_ms: int) -> Write:
    """Keep a change of cash; ``reference`` is the fill id or what else caused it."""
    sql = "INSERT INTO ledger (number, at_ms, kind, reference, amount, balance) VALUES (?, ?, ?, ?, ?, ?)"
    return Write(sql, (number, at_ms, flow.kind, reference, text(flow.amount), text(flow.balance)))


def insert_funding(symbol: str, at_ms: int, *, rate: str, mark: str, quantity: str, amount: str) -> Write:
    """Keep a funding payment; one a symbol and time."""
    sql = "INSERT INTO funding (symbol, at_ms, rate, mark, quantity, amount) VALUES (?, ?, ?, ?, ?, ?)"
    return Write(sql, (symbol, at_ms, rate, mark, quantity, amount))


def put_position(symbol: str, held: Position | None, at_ms: int) -> Write:
    """Show what is held now; a flat position (None) is taken away."""
    if held is None:
        return Write("DELETE FROM positions WHERE symbol = ?", (symbol,))
    sql = (
        "INSERT OR REPLACE INTO positions (symbol, contract, quantity, average, cost, changed_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)"
    )
    average = f"{held.average:.12f}".rstrip("0").rstrip(".")
    return Write(sql, (symbol, held.contract, text(held.quantity), average, text(held.cost), at_ms))
