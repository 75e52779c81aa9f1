"""The broker's core: lockstep over rows of the market and the orders of every strategy.

```
   row n of the market              every strategy is through n
        |                                     |
        v                                     v
   HANDLE n: fills of orders      CLOSE n: orders of row <= n, sorted by
   at the open of n; if anyone    (strategy, leg), are admitted or denied     -> row n+1
   listens, say Through(n)
```

A row is named by its seq in the market's stream. A step does as many of these as the received records
allow, up to ``ROWS_A_STEP`` rows, and may end between the two. What a row comes to depends on the streams
alone, never on how they were cut into batches, on time or on restarts. In a market that is not in lockstep
nobody waits: orders are admitted as they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from protocol.messages.market import End, OnEnd
from protocol.messages.stream import MarketRole, OrdersRole, Record, Role
from protocol.messages.trading import Order, Through
from workers.broker.desk import REMEMBERED_ROWS, Desk
from workers.broker.errors import UnfitInput
from workers.broker.floor import Floor
from workers.broker.intake import MarketInbox, StrategyInbox, Taken
from workers.broker.matching import Terms
from workers.broker.notes import Notes
from workers.broker.state import BrokerState
from workers.shared.core import Step
from workers.shared.log import iso_ms

ROWS_A_STEP: Final = 500
MARKET_ROOM: Final = 2_000
STRATEGY_ROOM: Final = 4_000
NEEDED_ROOM: Final = 500
"""Room for the strategy that all wait for, however much it sent: the orders of one row must fit."""


@dataclass(frozen=True)
class _Market:
    """The market input, and those who work in it."""

    source: str
    lockstep: bool
    floor: Floor
    desk: Desk


class BrokerCore:
    """A pure broker; see :class:`workers.shared.core.Core`. ``inputs`` are the ids of its producers."""

    def __init__(
        self, inputs: Sequence[str], state: BrokerState, terms: Terms, *, dry_run: bool = False
    ) -> None:
        self._inputs, self._state, self._terms, self._dry_run = tuple(inputs), state, terms, dry_run
        self._notes = Notes()
        self._cursors: dict[str, int] = {}
        self._rows = MarketInbox()
        self._market: _Market | None = None
        self._strategies: dict[str, StrategyInbox] = {}
        self._listeners: set[str] = set()

    # --- the port -------------------------------------------------------------------------------

    def introduce(self, source: str, role: Role) -> None:
        """Learn what an input is. Raises UnfitInput for what a broker cannot use."""
        match role:
            case MarketRole() if self._market is None or self._market.source == source:
                self._market = self._open(source, role)
            case OrdersRole():
                self._strategies.setdefault(source, StrategyInbox())
                (self._listeners.add if role.listens else self._listeners.discard)(source)
            case _:
                raise UnfitInput(source, role, self._market.source if self._market else None)

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Take records of one input, consecutive and in order."""
        if source in self._strategies:
            self._strategies[source].take(records)
        else:
            self._rows.take(records)

    def room(self, source: str) -> int:
        """How many further records of this input may be received now."""
        strategy = self._strategies.get(source)
        if strategy is None:
            return max(MARKET_ROOM - len(self._rows), 0)
        needed = 0 if strategy.finished(self._state.handled) else NEEDED_ROOM
        return max(STRATEGY_ROOM - len(strategy), needed)

    def step(self) -> Step | None:
        """Decide as far as the received records allow; None when something is missing."""
        market = self._market
        if market is None or not all(map(self._knows, self._inputs)):
            return None
        last = self._state.handled + ROWS_A_STEP
        moved = False
        while self._close(market) or (self._state.handled < last and self._handle(market)):
            moved = True
        return self._taken() if moved else None

    @property
    def waiting_for(self) -> str | None:
        """The input that was never heard of, or the strategy that has not finished the row."""
        unknown = (source for source in self._inputs if not self._knows(source))
        return next(unknown, None) or self._laggard()

    def counters(self) -> dict[str, int | str | None]:
        """Lifetime figures: orders on record, fills, denied orders; the close of the last candle."""
        state = self._state
        last = None if state.last_candle_ms is None else iso_ms(state.last_candle_ms)
        return {"orders": state.orders, "fills": state.fills, "denied": state.denied, "last_candle": last}

    @property
    def finished(self) -> OnEnd | None:
        """What shall follow, once the end of the recording is handled and closed."""
        return self._state.end if self._state.closed >= self._state.handled else None

    # --- rows -----------------------------------------------------------------------------------

    def _handle(self, market: _Market) -> bool:
        """Take the next row of the market; False when the last one is open, or the next is not here."""
        state = self._state
        taken = self._rows.pop() if state.closed == state.handled else None
        if taken is None:
            return False
        row, message = taken
        state.handled = self._cursors[market.source] = row
        market.floor.row(message, row)
        ended = isinstance(message, End)
        if ended or self._listeners:
            self._notes.outputs.append(Through(row, end=ended))
        return True

    def _close(self, market: _Market) -> bool:
        """Admit the orders that are due. False: no row is open, or a strategy is not through it."""
        state, row = self._state, self._state.handled
        if not market.lockstep:
            return self._close_freely(market)
        if state.closed == row or self._laggard() is not None:
            return False
        self._admit(market, {s: inbox.pop_row(row) for s, inbox in self._strategies.items()}, oldest=row)
        return True

    def _close_freely(self, market: _Market) -> bool:
        taken = {source: inbox.pop_all() for source, inbox in self._strategies.items()}
        moved = self._state.closed < self._state.handled or any(t.last_seq for t in taken.values())
        if moved:
            self._admit(market, taken, oldest=self._state.handled - REMEMBERED_ROWS + 1)
        return moved

    def _admit(self, market: _Market, taken: Mapping[str, Taken], *, oldest: int) -> None:
        row = self._state.handled
        orders = [order for one in taken.values() for order in one.orders]
        for order in sorted(orders, key=_rank):
            market.desk.order(order, row=row, stale=order.row < oldest)
        market.desk.forget(row)
        self._cursors.update({source: one.last_seq for source, one in taken.items() if one.last_seq})
        self._state.closed = row

    def _taken(self) -> Step:
        notes, cursors = self._notes.take(), self._cursors
        self._cursors = {}
        return Step(
            outputs=tuple(notes.outputs),
            at_ms=self._state.at_ms,
            cursors=cursors,
            state=self._state.encode(),
            writes=tuple(notes.writes),
            logs=tuple(notes.logs),
        )

    # --- inputs ---------------------------------------------------------------------------------

    def _open(self, source: str, role: MarketRole) -> _Market:
        floor = Floor(self._state, self._terms, role.instrument, self._notes)
        desk = Desk(self._state, self._terms, role, self._notes, dry_run=self._dry_run)
        return _Market(source, role.lockstep, floor, desk)

    def _knows(self, source: str) -> bool:
        return source in self._strategies or (self._market is not None and self._market.source == source)

    def _laggard(self) -> str | None:
        """The first strategy that has not finished the row that was handled."""
        row = self._state.handled
        if self._market is None or not self._market.lockstep or self._state.closed == row:
            return None
        return next((s for s in self._strategies if not self._strategies[s].finished(row)), None)


def _rank(order: Order) -> tuple[str, int, str, str]:
    # The last two decide between orders that a strategy should never have sent side by side.
    return (order.strategy, order.leg, order.client_order_id, repr(order))
