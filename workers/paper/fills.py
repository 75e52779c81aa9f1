"""``paper fills``."""

from __future__ import annotations

import click

from workers.paper._listing import listing_options, show

QUERY = (
    "SELECT fill_id, client_order_id, strategy, symbol, side, price, quantity, fee, realised, position,"
    " at_ms, row, liquidity FROM fills ORDER BY number"
)
COLUMNS = ("at", "symbol", "side", "quantity", "price", "fee", "realised", "position", "strategy")


@click.command("fills")
@listing_options
def command(as_json: bool, state_dir: str | None) -> None:
    """Show every execution, oldest first.

    ``realised`` is the profit that it closed, before the fee; ``position`` is what was held afterwards.
    Times are those of the data, UTC.
    """
    show("fills", QUERY, by="at_ms", columns=COLUMNS, state_dir=state_dir, as_json=as_json)
