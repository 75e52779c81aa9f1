"""``paper cancel``."""

from __future__ import annotations

import secrets
import time

import click

from protocol.messages.instruction import CancelOrder
from protocol.messages.trading import Cancel
from workers.paper._telling import MANUAL, broker_of, tell, telling_options


@click.command("cancel")
@click.argument("order")
@telling_options
def command(order: str, broker: str | None, as_json: bool, state_dir: str | None) -> None:
    """Cancel one order, whoever's it is; ORDER is its client_order_id, as in ``paper orders``.

    \b
    Example:
      paper cancel manual-0123456789abcdef
    """
    cancel = Cancel(
        client_order_id=f"cancel-{secrets.token_hex(8)}",
        strategy=MANUAL,
        row=0,
        leg=0,
        target=order,
        decided_ms=time.time_ns() // 1_000_000,
    )
    tell(broker_of(state_dir, broker), CancelOrder(cancel=cancel), as_json=as_json)
