"""``paper pause``."""

from __future__ import annotations

import click

from protocol.messages.instruction import Pause
from workers.paper._telling import broker_of, tell, telling_options


@click.command("pause")
@click.option("--strategy", metavar="ID", help="Only the entries of this strategy.")
@telling_options
def command(strategy: str | None, broker: str | None, as_json: bool, state_dir: str | None) -> None:
    """Take no new entries until ``paper resume``; exits, stops and targets go on.

    It is kept over restarts, and also reaches a broker that is down now.
    """
    tell(broker_of(state_dir, broker), Pause(strategy=strategy), as_json=as_json)
