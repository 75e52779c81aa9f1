"""What a step has come to so far: records to publish, rows to write, lines to log."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from protocol.messages.trading import OrderChanged, OrderStatus
from workers.broker import store
from workers.broker.ledger import Flow
from workers.broker.money import text
from workers.broker.orders import WorkingOrder
from workers.broker.state import BrokerState
from workers.shared.core import LogLine, Write


@dataclass
class Notes:
    """Filled by the floor and the desk, taken by the core at the end of its step.

    ``keep``: how many rows of each table stay on record.
    """

    outputs: list[msgspec.Struct] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    keep: int = store.KEEP_HISTORY

    def take(self) -> Notes:
        """Hand over all that was noted, and begin anew."""
        taken = Notes(self.outputs, self.writes, self.logs)
        self.outputs, self.writes, self.logs = [], [], []
        return taken

    @property
    def empty(self) -> bool:
        """Whether nothing was noted."""
        return not (self.outputs or self.writes or self.logs)

    def position(self) -> tuple[int, int, int]:
        """Return how much was noted so far, for :meth:`cut`."""
        return len(self.outputs), len(self.writes), len(self.logs)

    def cut(self, position: tuple[int, int, int]) -> None:
        """Forget what was noted after ``position``."""
        outputs, writes, logs = position
        del self.outputs[outputs:], self.writes[writes:], self.logs[logs:]

    def log(self, level: str, message: str, **facts: Any) -> None:
        """Note a line for the log; amounts are written in plain digits."""
        plain = {key: text(value) if isinstance(value, Decimal) else value for key, value in facts.items()}
        self.logs.append(LogLine(level, message, plain))

    def row(self, table: str, count: int, write: Write) -> None:
        """Note the ``count``-th row of a table, and what is forgotten for it."""
        self.writes.append(write)
        self.writes.extend(store.swept(table, count, self.keep))

    def flows(self, state: BrokerState, flows: tuple[Flow, ...], reference: str, at_ms: int) -> None:
        """Note changes of cash under the next numbers of the ledger."""
        for flow in flows:
            state.flows += 1
            self.row(
                "ledger", state.flows, store.insert_flow(state.flows, flow, reference=reference, at_ms=at_ms)
            )

    def announce(
        self,
        order: WorkingOrder,
        status: OrderStatus,
        at_ms: int,
        code: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Note an order's new state for the readers of the stream."""
        changed = OrderChanged(
            client_order_id=order.client_order_id,
            strategy=order.strategy,
            symbol=order.symbol,
            side=order.side,
            status=status,
            at_ms=at_ms,
            code=code,
            detail=detail,
        )
        self.outputs.append(changed)
