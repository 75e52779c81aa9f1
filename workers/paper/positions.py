"""``paper positions``."""

from __future__ import annotations

import click

from workers.paper._listing import listing_options, show

QUERY = (
    "SELECT symbol, contract, quantity, average, cost, changed_ms FROM positions ORDER BY changed_ms, symbol"
)
COLUMNS = ("symbol", "quantity", "average", "cost", "contract", "changed")


@click.command("positions")
@listing_options
def command(as_json: bool, state_dir: str | None) -> None:
    """Show what is held now, the longest untouched first.

    A negative ``quantity`` is a short; ``average`` is the weighted average entry price.

    \b
    Example:
      paper positions --state-dir /var/lib/supervisor-tree
    """
    show("positions", QUERY, by="changed_ms", columns=COLUMNS, state_dir=state_dir, as_json=as_json)
