"""``paper signals``."""

from __future__ import annotations

import json

import click

from workers.paper._databases import Row
from workers.paper._listing import listing_options, show

QUERY = (
    "SELECT strategy, symbol, timeframe, row, at_ms, action, confidence, reasons, traded FROM signals"
    " ORDER BY row, rowid"
)
COLUMNS = ("at", "strategy", "symbol", "timeframe", "action", "confidence", "traded", "reasons")


@click.command("signals")
@listing_options
def command(as_json: bool, state_dir: str | None) -> None:
    """Show what every strategy made of the candles, traded or not, oldest first.

    Times are those of the data, UTC.
    """
    show(
        "signals",
        QUERY,
        by="at_ms",
        columns=COLUMNS,
        state_dir=state_dir,
        as_json=as_json,
        shape=_shaped,
    )


def _shaped(row: Row) -> Row:
    return {**row, "reasons": json.loads(row["reasons"]), "traded": bool(row["traded"])}
