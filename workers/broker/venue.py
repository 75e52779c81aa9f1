"""The port to the place of execution: what the broker asks of it, and what it may answer.

```
strategy, operator -> desk -> clerk -- submit, replace, cancel --> venue <-- rows, ticks and time
                              clerk <-- accepted, filled, ... ----           of the market
```
A venue of our own (paper) answers within the call, by telling the clerk. One outside answers when it likes:
its orders stay ``submitted`` and its cancels ``pending_cancel``, which is on disk when the step is; whoever
talks to it sends what it finds there, as often as it takes, under the ``client_order_id``: the stored state
is the outbox, and nothing is on the wire that is not on disk. What comes back are the answers below, which
``BrokerCore.answer`` takes; LastQty and CumQty are those of FIX.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, Protocol

from msgspec import Struct, field

from protocol.messages.market import MarketRecord
from protocol.messages.tick import Tick
from protocol.messages.trading import Cancel
from workers.broker.matching import Liquidity
from workers.broker.orders import WorkingOrder


class Venue(Protocol):
    """Where orders are executed. Pure: it has no clock and no wire."""

    @property
    def outside(self) -> bool:
        """Whether the account is kept there: it is then compared with our books at each start."""
        ...

    def submit(self, order: WorkingOrder, *, travels: bool) -> WorkingOrder:
        """Take an order that is ``submitted`` and return it as it stands now: accepted, or still submitted.

        It may not fill before this returns. ``travels``: somebody decided it now; False: it is of the
        broker's own making (a protector, a forced end).
        """
        ...

    def replace(self, order: WorkingOrder) -> None:
        """Let an order at work have the quantity, limit and stop that it has here."""
        ...

    def cancel(self, order: WorkingOrder, code: str | None = None, asked: Cancel | None = None) -> None:
        """End an order at work; twice is harmless. ``code`` says why.

        ``asked``: a strategy's or an operator's wish, whose ``replacement`` is admitted when the order ends.
        """
        ...

    def row(self, message: MarketRecord) -> None:
        """Take a row of the market: a candle is marked to market here, fundings are booked where due."""
        ...

    def tick(self, tick: Tick, now_ms: int) -> None:
        """Act on a live price that is new and marked; ``now_ms`` is UTC and not before it was received."""
        ...

    def advance(self, now_ms: int) -> None:
        """Let time pass (UTC)."""
        ...

    def next_ms(self) -> int | None:
        """Return when :meth:`advance` is wanted although nothing comes (UTC); None: never."""
        ...

    def hurry(self, order: WorkingOrder, now_ms: int) -> None:
        """This process ends: do at once what can be done of an order; else it goes on waiting."""
        ...


class Accepted(Struct, frozen=True, tag="accepted"):
    """An order is at work there; of a pending cancel: the cancel was refused, and the order works on."""

    client_order_id: str


class Rejected(Struct, frozen=True, tag="rejected"):
    """An order was refused."""

    client_order_id: str
    code: str
    detail: str | None = None


class Triggered(Struct, frozen=True, tag="triggered"):
    """The stop of an order was touched."""

    client_order_id: str


class Executed(Struct, frozen=True, tag="executed", kw_only=True):
    """A part of an order was filled: ``quantity`` at ``price`` (LastQty, LastPx).

    ``filled`` is all that was filled of the order by then (CumQty): by it a repeated answer is known, and a
    missing one. ``fee`` None: not told, that of our terms is booked.
    """

    client_order_id: str
    quantity: Decimal
    price: Decimal
    filled: Decimal
    at_ms: int
    fee: Decimal | None = None
    liquidity: Liquidity = "taker"


class Ended(Struct, frozen=True, tag="ended"):
    """What was left of an order is over: cancelled, by whomever, or its time has passed.

    ``filled`` is all that was filled of it (CumQty): it does not end before that is on the books. None: not
    told.
    """

    client_order_id: str
    filled: Decimal | None = None
    how: Literal["cancelled", "expired"] = "cancelled"
    code: str | None = None


class Funded(Struct, frozen=True, tag="funded"):
    """Funding at a time was booked there, at this rate on this signed quantity, at this mark."""

    symbol: str
    at_ms: int
    rate: Decimal
    quantity: Decimal
    mark: Decimal


class Standing(Struct, frozen=True, tag="standing", kw_only=True):
    """The account as the venue has it: asked while ``BrokerCore.unreconciled`` and after a lost connection.

    ``orders``: what is open there, and how much of each was filled. ``positions``: signed quantities of the
    base currency; what is not named is flat. ``cash``: None where it cannot be compared. ``executions``:
    those since the last that we had confirmed, oldest first; more of them than needed does no harm.
    """

    orders: Mapping[str, Decimal] = field(default_factory=dict)
    positions: Mapping[str, Decimal] = field(default_factory=dict)
    cash: Decimal | None = None
    executions: tuple[Executed, ...] = ()


Answer = Accepted | Rejected | Triggered | Executed | Ended | Funded | Standing
