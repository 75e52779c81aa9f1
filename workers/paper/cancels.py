"""``paper cancels``."""

from __future__ import annotations

import click

from workers.paper._listing import listing_options, show

QUERY = (
    "SELECT client_order_id, strategy, target, row, at_ms, status, code, detail FROM cancels"
    " ORDER BY at_ms, rowid"
)
COLUMNS = ("at", "target", "status", "code", "strategy", "client_order_id")


@click.command("cancels")
@listing_options
def command(as_json: bool, state_dir: str | None) -> None:
    """Show every cancel that was asked for and what became of it, oldest first.

    A denied one has a ``code`` and a ``detail``, which says why. The orders themselves are in
    ``paper orders``. Times are those of the data, UTC.

    \b
    Example:
      paper cancels --json
    """
    show("cancels", QUERY, by="at_ms", columns=COLUMNS, state_dir=state_dir, as_json=as_json)
