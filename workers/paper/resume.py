"""``paper resume``."""

from __future__ import annotations

import click

from protocol.messages.instruction import Resume
from workers.paper._telling import broker_of, tell, telling_options


@click.command("resume")
@click.option("--strategy", metavar="ID", help="Only this strategy.")
@telling_options
def command(strategy: str | None, broker: str | None, as_json: bool, state_dir: str | None) -> None:
    """Take back pauses and reset the breakers that tripped, as seen in ``paper report``.

    Not the kill switch: that has to be switched off first. Losses and the high of equity count anew from
    here.

    \b
    Example:
      paper resume
    """
    tell(broker_of(state_dir, broker), Resume(strategy=strategy), as_json=as_json)
