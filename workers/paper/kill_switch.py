"""``paper kill-switch``."""

from __future__ import annotations

import click

from protocol.messages.instruction import KillSwitch
from workers.paper._telling import broker_of, tell, telling_options


@click.command("kill-switch")
@click.argument("position", type=click.Choice(["on", "off"]))
@telling_options
def command(position: str, broker: str | None, as_json: bool, state_dir: str | None) -> None:
    """ON: cancel all orders, close all positions, trade no more. OFF: let ``paper resume`` trade again.

    Asks nothing: it is for emergencies.

    \b
    Example:
      paper kill-switch on
    """
    tell(broker_of(state_dir, broker), KillSwitch(on=position == "on"), as_json=as_json)
