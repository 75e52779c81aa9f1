"""``paper pause``."""

from __future__ import annotations

import click

from protocol.messages.instruction import Pause
from workers.paper._telling import broker_of, known_strategy, tell, telling_options


@click.command("pause")
@click.option("--strategy", metavar="ID", help="Only the entries of this strategy (manual: orders by hand).")
@telling_options
def command(strategy: str | None, broker: str | None, as_json: bool, state_dir: str | None) -> None:
    """Take no new entries until ``paper resume``; exits, stops and targets go on.

    It is kept over restarts, and also reaches a broker that is down now.

    \b
    Example:
      paper pause --strategy trend
    """
    books = broker_of(state_dir, broker)
    whose = None if strategy is None else known_strategy(books, strategy)
    tell(books, Pause(strategy=whose), as_json=as_json)
