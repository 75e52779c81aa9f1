"""``paper orders``."""

from __future__ import annotations

import json

import click

from workers.paper._databases import Row
from workers.paper._listing import listing_options, show

QUERY = (
    "SELECT client_order_id, strategy, symbol, side, size, reduce_only, quantity, status, filled, code,"
    " detail, row, leg, decided_ms, changed_ms, kind, limit_price, stop_price, expires_ms, parent, reason"
    " FROM orders ORDER BY number"
)
COLUMNS = (
    "decided",
    "symbol",
    "side",
    "kind",
    "quantity",
    "limit_price",
    "stop_price",
    "status",
    "filled",
    "code",
    "strategy",
    "client_order_id",
)


@click.command("orders")
@listing_options
def command(as_json: bool, state_dir: str | None) -> None:
    """Show every order with its present state, oldest first.

    A denied order has a ``code`` and a ``detail``, which says why; what protects an entry names it as its
    ``parent``. Times are those of the data, UTC.

    \b
    Example:
      paper orders --json
    """
    show(
        "orders",
        QUERY,
        by="decided_ms",
        columns=COLUMNS,
        state_dir=state_dir,
        as_json=as_json,
        shape=_shaped,
    )


def _shaped(row: Row) -> Row:
    return {**row, "size": json.loads(row["size"]), "reduce_only": bool(row["reduce_only"])}
