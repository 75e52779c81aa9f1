"""``paper signals``."""

from __future__ import annotations

import json

import click

from workers.paper._databases import Row
from workers.paper._listing import listing_options, show

FIELDS = "strategy, symbol, timeframe, row, at_ms, action, confidence, reasons, traded, why_not, parameters"
COLUMNS = ("at", "strategy", "symbol", "timeframe", "action", "confidence", "traded", "why_not", "reasons")


@click.command("signals")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@click.option("--strategy", metavar="CHILD", help="Only those of one strategy, by its id in the tree.")
@listing_options
def command(as_json: bool, state_dir: str | None, limit: int | None, strategy: str | None) -> None:
    """Show what every strategy made of the candles, traded or not and why not, oldest first.

    Times are those of the data, UTC. ``parameters`` (in JSON) is the fingerprint of those in use.

    \b
    Why a signal is not traded:
      dry_run         the mode is dry-run: orders are logged only
      auto_execute    the tree file says auto_execute = false
      min_confidence  it is weaker than the tree file wants
      no_change       the position is as wanted already
      late            a live candle that was only caught up with: nothing is entered on it any more

    \b
    Example:
      paper signals --limit 20 --strategy strategy
    """
    newest = "" if limit is None else f" WHERE id > (SELECT max(id) FROM signals) - {limit}"
    show(
        "signals",
        f"SELECT {FIELDS} FROM signals{newest} ORDER BY id",
        by="at_ms",
        columns=COLUMNS,
        state_dir=state_dir,
        as_json=as_json,
        child=strategy,
        shape=_shaped,
        last=limit,
    )


def _shaped(row: Row) -> Row:
    return {**row, "reasons": json.loads(row["reasons"]), "traded": bool(row["traded"])}
