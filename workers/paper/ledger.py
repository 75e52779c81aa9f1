"""``paper ledger``."""

from __future__ import annotations

import click

from workers.paper._databases import databases_with, opened, state_dir_of
from workers.paper._failure import USAGE, Failure
from workers.paper._listing import listing_options, show

QUERY = "SELECT number, at_ms, kind, reference, amount, balance FROM ledger ORDER BY number"
COLUMNS = ("at", "kind", "amount", "balance", "reference")


@click.command("ledger")
@click.option("--digest", "as_digest", is_flag=True, help="One line: the SHA-256 of the whole ledger.")
@click.option("--broker", metavar="ID", help="Which broker's ledger, where the tree has several.")
@listing_options
def command(
    as_digest: bool,
    broker: str | None,
    as_json: bool,
    state_dir: str | None,
) -> None:
    """Show every change of cash on record with the balance after it, oldest first.

    With --digest: one line that is the same exactly when all orders, fills, funding and ledger rows are the
    same, to the last digit. Only data counts: no wall-clock times, no processes, no sentences.

    \b
    Example:
      paper ledger --digest
    """
    if not as_digest:
        show("ledger", QUERY, by="at_ms", columns=COLUMNS, state_dir=state_dir, as_json=as_json, child=broker)
        return
    from workers.broker.store import digest  # late: the broker's room brings all that a process needs

    found = databases_with("ledger", state_dir_of(state_dir), broker)
    if len(found) > 1:
        raise Failure(f"say which with --broker: {', '.join(path.stem for path in found)}", USAGE)
    with opened(found[0]) as connection:
        click.echo(digest(connection))
