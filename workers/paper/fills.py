"""``paper fills``."""

from __future__ import annotations

import click

from workers.paper._databases import Row
from workers.paper._listing import listing_options, show

QUERY = (
    "SELECT fill_id, client_order_id, strategy, symbol, side, price, quantity, fee, realised, position,"
    " at_ms, row, liquidity, reason, late, replayed FROM fills ORDER BY number"
)
COLUMNS = ("at", "symbol", "side", "quantity", "price", "fee", "realised", "position", "reason", "strategy")


@click.command("fills")
@listing_options
def command(as_json: bool, state_dir: str | None) -> None:
    """Show every execution, oldest first.

    ``realised`` is the profit that it closed, before the fee; ``position`` is what was held afterwards;
    ``reason`` is why: signal, stop, target, trailing, liquidation, kill_switch, shutdown, manual. ``late``: a
    protective order waited for a fresh quote; ``replayed``: from candles of a time that was missed.
    Times are those of the data, UTC.

    \b
    Example:
      paper fills --json | tail -1
    """
    show("fills", QUERY, by="at_ms", columns=COLUMNS, state_dir=state_dir, as_json=as_json, shape=_shaped)


def _shaped(row: Row) -> Row:
    return {**row, "late": bool(row["late"]), "replayed": bool(row["replayed"])}
