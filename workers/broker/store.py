"""The broker's tables: the history that people and reports read, and the fingerprint of it.

Written in the transaction of the step that made it. Amounts are decimal strings, times are UTC milliseconds
of the data. What the core needs to go on is in its state, not here; the unique keys are a second net under
its own checks.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any, Final

import msgspec

from protocol.messages.instruction import Instructed
from protocol.messages.trading import (
    Cancel,
    DelayedEntry,
    Fill,
    FundingPaid,
    Order,
    TradeClosed,
    TradingChanged,
)
from workers.broker.errors import LedgerBroken
from workers.broker.ledger import Books, Flow, Position
from workers.broker.money import EXACT, text
from workers.broker.orders import FINAL_STATES, WorkingOrder
from workers.broker.state import Owed
from workers.shared.core import Write

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS orders (
        number INTEGER PRIMARY KEY, client_order_id TEXT NOT NULL UNIQUE, strategy TEXT NOT NULL,
        symbol TEXT NOT NULL, row INTEGER NOT NULL, leg INTEGER NOT NULL, decided_ms INTEGER NOT NULL,
        side TEXT NOT NULL, size TEXT NOT NULL, reduce_only INTEGER NOT NULL, quantity TEXT,
        status TEXT NOT NULL, filled TEXT NOT NULL, code TEXT, detail TEXT, changed_ms INTEGER NOT NULL,
        kind TEXT NOT NULL, limit_price TEXT, stop_price TEXT, expires_ms INTEGER, parent TEXT,
        reason TEXT)""",
    """CREATE TABLE IF NOT EXISTS fills (
        number INTEGER PRIMARY KEY, fill_id TEXT NOT NULL UNIQUE, client_order_id TEXT NOT NULL,
        strategy TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, price TEXT NOT NULL,
        quantity TEXT NOT NULL, fee TEXT NOT NULL, realised TEXT NOT NULL, position TEXT NOT NULL,
        at_ms INTEGER NOT NULL, row INTEGER NOT NULL, liquidity TEXT NOT NULL, reason TEXT,
        late INTEGER NOT NULL, replayed INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS ledger (
        number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, reference TEXT NOT NULL,
        amount TEXT NOT NULL, balance TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS funding (
        symbol TEXT NOT NULL, at_ms INTEGER NOT NULL, rate TEXT, mark TEXT NOT NULL,
        quantity TEXT NOT NULL, amount TEXT, PRIMARY KEY (symbol, at_ms))""",
    """CREATE TABLE IF NOT EXISTS positions (
        symbol TEXT PRIMARY KEY, contract TEXT NOT NULL, quantity TEXT NOT NULL, average TEXT NOT NULL,
        cost TEXT NOT NULL, changed_ms INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS trades (
        number INTEGER PRIMARY KEY, symbol TEXT NOT NULL, strategy TEXT NOT NULL, side TEXT NOT NULL,
        quantity TEXT NOT NULL, entry TEXT NOT NULL, exit TEXT NOT NULL, opened_ms INTEGER NOT NULL,
        closed_ms INTEGER NOT NULL, realised TEXT NOT NULL, fees TEXT NOT NULL, funding TEXT NOT NULL,
        reason TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS trading (
        number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, state TEXT NOT NULL, trigger TEXT NOT NULL,
        critical INTEGER NOT NULL, strategy TEXT, until_ms INTEGER, detail TEXT)""",
    """CREATE TABLE IF NOT EXISTS cancels (
        client_order_id TEXT PRIMARY KEY, strategy TEXT NOT NULL, target TEXT NOT NULL, row INTEGER NOT NULL,
        at_ms INTEGER NOT NULL, status TEXT NOT NULL, code TEXT, detail TEXT)""",
    """CREATE TABLE IF NOT EXISTS delayed_entries (
        client_order_id TEXT PRIMARY KEY, strategy TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
        decided_price TEXT NOT NULL, price TEXT NOT NULL, delay_ms INTEGER NOT NULL,
        at_ms INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS instructions (
        id TEXT PRIMARY KEY, given_by TEXT NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,
        outcome TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS equity (
        at_ms INTEGER PRIMARY KEY, equity TEXT NOT NULL, cash TEXT NOT NULL)""",
)

KEEP_HISTORY: Final = 250_000
"""Of orders, fills, changes of cash and round trips each: some 200 MB."""
SWEPT_EVERY: Final = 256
"""Rows between two looks at what is too many; at most twice as many are forgotten at once."""

_ENDED: Final = f"status IN ({', '.join(sorted(repr(state.value) for state in FINAL_STATES))})"
_NUMBERED: Final = {"orders": _ENDED, "fills": "true", "ledger": "true", "trades": "true", "trading": "true"}
"""The tables whose rows are counted, and which of their rows may be forgotten."""
_FOLLOWING: Final = ("cancels", "delayed_entries", "instructions")
"""The tables that are looked at with the orders, of which they have no more rows."""

_DIGITS: Final = 60
_LARGEST: Final = 2**63 - 1

_CANONICAL: Final = (
    "SELECT 'order', number, client_order_id, strategy, symbol, row, leg, decided_ms, side, size,"
    " reduce_only, quantity, status, filled, code, changed_ms, kind, limit_price, stop_price, expires_ms,"
    " parent, reason FROM orders ORDER BY number",
    "SELECT 'fill', number, fill_id, client_order_id, strategy, symbol, side, price, quantity, fee,"
    " realised, position, at_ms, row, liquidity, reason FROM fills ORDER BY number",
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


def check_ledger(connection: sqlite3.Connection, books: Books) -> None:
    """Compare the cash of the books with the ledger's last balance, and that with the sum of its rows.

    What was forgotten stands for the balance before the oldest row kept.

    Raises:
        LedgerBroken: they differ.
    """
    balance, total = None, Decimal(0)
    with localcontext(EXACT):
        rows = connection.execute("SELECT number, amount, balance FROM ledger ORDER BY number")
        for number, amount, after in rows:
            if balance is None and number > 1:
                total = Decimal(after) - Decimal(amount)
            total += Decimal(amount)
            balance = Decimal(after)
    if balance is not None and not books.cash == balance == total:
        raise LedgerBroken(books.cash, total if balance == books.cash else balance)


def insert_order(
    number: int,
    order: Order,
    held: WorkingOrder,
    *,
    quantity: Decimal | None,
    at_ms: int,
    code: str | None = None,
    detail: str | None = None,
) -> Write:
    """Keep a new order as it was asked for, with the state and the prices it has here.

    An id that is on record already stays as it is.
    """
    columns = (
        "number, client_order_id, strategy, symbol, row, leg, decided_ms, side, size, reduce_only, quantity,"
        " status, filled, code, detail, changed_ms, kind, limit_price, stop_price, expires_ms, parent, reason"
    )
    when = (_whole(order.row), _whole(order.leg), _whole(order.decided_ms))
    what = (order.client_order_id, order.strategy, order.symbol, *when)
    size = msgspec.json.encode(order.size).decode()
    how = (order.side, size, int(order.reduce_only), _shown(quantity))
    where = (held.state.value, "0", code, detail, at_ms)
    kind = (
        order.kind,
        _shown(held.limit),
        _shown(held.stop),
        _whole(order.expires_ms),
        held.parent,
        order.reason,
    )
    return _inserted("orders", columns, (number, *what, *how, *where, *kind))


def update_order(order: WorkingOrder, *, at_ms: int, code: str | None = None) -> Write:
    """Move an order on to its present state, amounts and stop; a code once given stays."""
    sql = (
        "UPDATE orders SET status = ?, quantity = ?, filled = ?, stop_price = ?, code = COALESCE(?, code),"
        " changed_ms = ?"
        " WHERE client_order_id = ?"
    )
    amounts = (text(order.quantity), text(order.filled), _shown(order.stop))
    return Write(sql, (order.state.value, *amounts, code, at_ms, order.client_order_id))


def insert_fill(number: int, fill: Fill) -> Write:
    """Keep a fill. A repeated fill id breaks the transaction: it must never happen."""
    amounts = (fill.price, fill.quantity, fill.fee, fill.realised, fill.position)
    sql = (
        "INSERT INTO fills (number, fill_id, client_order_id, strategy, symbol, side, price, quantity, fee,"
        " realised, position, at_ms, row, liquidity, reason, late, replayed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    who = (fill.fill_id, fill.client_order_id, fill.strategy, fill.symbol, fill.side)
    when = (fill.at_ms, fill.row, fill.liquidity, fill.reason, int(fill.late), int(fill.replayed))
    return Write(sql, (number, *who, *map(text, amounts), *when))


def insert_trade(number: int, trade: TradeClosed) -> Write:
    """Keep a round trip; ``realised`` is what it made after fees and funding."""
    columns = (
        "number, symbol, strategy, side, quantity, entry, exit, opened_ms, closed_ms, realised, fees,"
        " funding, reason"
    )
    prices = map(text, (trade.quantity, trade.entry, trade.exit))
    made = map(text, (trade.realised, trade.fees, trade.funding))
    who = (trade.symbol, trade.strategy, trade.side)
    values = (number, *who, *prices, trade.opened_ms, trade.closed_ms, *made, trade.reason)
    return _inserted("trades", columns, values)


def insert_change(number: int, change: TradingChanged) -> Write:
    """Keep a change of the trading state."""
    columns = "number, at_ms, state, trigger, critical, strategy, until_ms, detail"
    what = (change.state, change.trigger, int(change.critical), change.strategy, change.until_ms)
    return _inserted("trading", columns, (number, change.at_ms, *what, change.detail))


def insert_cancel(cancel: Cancel, *, row: int, at_ms: int, code: str | None, detail: str | None) -> Write:
    """Keep what became of a cancel: done, or denied with a code."""
    columns = "client_order_id, strategy, target, row, at_ms, status, code, detail"
    status = "done" if code is None else "denied"
    who = (cancel.client_order_id, cancel.strategy, cancel.target)
    return _inserted("cancels", columns, (*who, row, at_ms, status, code, detail))


def insert_delayed(entry: DelayedEntry) -> Write:
    """Keep an entry that waited on purpose."""
    columns = "client_order_id, strategy, symbol, side, decided_price, price, delay_ms, at_ms"
    prices = (text(entry.decided_price), text(entry.price))
    who = (entry.client_order_id, entry.strategy, entry.symbol, entry.side)
    return _inserted("delayed_entries", columns, (*who, *prices, entry.delay_ms, entry.at_ms))


def insert_instruction(told: Instructed, kind: str, outcome: str) -> Write:
    """Keep what was made of an instruction; the last word stands."""
    return Write(
        "INSERT OR REPLACE INTO instructions (id, given_by, at_ms, kind, outcome) VALUES (?, ?, ?, ?, ?)",
        (told.id, told.by, told.at_ms, kind, outcome),
    )


def insert_equity(at_ms: int, *, equity: str, cash: str) -> Write:
    """Keep the equity at the start of a period; of several the last stands."""
    return Write(
        "INSERT OR REPLACE INTO equity (at_ms, equity, cash) VALUES (?, ?, ?)", (at_ms, equity, cash)
    )


def thin_equity(before_ms: int, every_ms: int) -> Write:
    """Keep of what is older only one value in ``every_ms``."""
    return Write("DELETE FROM equity WHERE at_ms < ? AND at_ms % ? != 0", (before_ms, every_ms))


def insert_flow(number: int, flow: Flow, *, reference: str, at_ms: int) -> Write:
    """Keep a change of cash; ``reference`` is the fill id or what else caused it."""
    sql = "INSERT INTO ledger (number, at_ms, kind, reference, amount, balance) VALUES (?, ?, ?, ?, ?, ?)"
    return Write(sql, (number, at_ms, flow.kind, reference, text(flow.amount), text(flow.balance)))


def swept(table: str, count: int, keep: int) -> Iterator[Write]:
    """Yield what forgets the oldest rows of ``table`` beyond ``keep``, when its ``count``-th asks for it.

    An order at work stays. The count decides, never the time: so what is on record, and the digest of it,
    remain a matter of the data alone.
    """
    if count <= keep or count % SWEPT_EVERY:
        return
    most = 2 * SWEPT_EVERY
    oldest = f"SELECT number FROM {table} WHERE number <= ? AND {_NUMBERED[table]} ORDER BY number LIMIT ?"
    yield Write(f"DELETE FROM {table} WHERE number IN ({oldest})", (count - keep, most))
    for other in _FOLLOWING if table == "orders" else ():
        last = f"SELECT max(rowid) - ? FROM {other}"
        oldest = f"SELECT rowid FROM {other} WHERE rowid <= ({last}) ORDER BY rowid LIMIT ?"
        yield Write(f"DELETE FROM {other} WHERE rowid IN ({oldest})", (keep, most))


def put_funding(paid: FundingPaid | Owed) -> Write:
    """Keep a funding payment, or one whose rate is not known yet; one a symbol and time."""
    if isinstance(paid, Owed):
        rate = amount = None
    else:
        rate, amount = text(paid.rate), text(paid.amount)
    sql = (
        "INSERT INTO funding (symbol, at_ms, rate, mark, quantity, amount) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (symbol, at_ms) DO UPDATE SET rate = excluded.rate, amount = excluded.amount"
        " WHERE rate IS NULL"
    )
    return Write(sql, (paid.symbol, paid.at_ms, rate, text(paid.mark), text(paid.quantity), amount))


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


def _inserted(table: str, columns: str, values: tuple[Any, ...]) -> Write:
    """Keep a row; one whose key is on record already stays as it is."""
    marks = ", ".join("?" * len(values))
    return Write(f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING", values)


def _shown(amount: Decimal | None) -> str | None:
    """Write an amount, also one that nobody could trade, in little room."""
    if amount is None:
        return None
    return text(amount) if amount.is_finite() and abs(amount.adjusted()) < _DIGITS else str(amount)[:_DIGITS]


def _whole(number: int | None) -> int | None:
    """Return a number that SQLite can hold: what a message may say is larger."""
    return None if number is None else max(-_LARGEST, min(number, _LARGEST))
