"""Reconciliation: what the venue says of the account against what is on the books. Pure decisions.

```
difference                       what is done                                            critical
order unknown to the venue       was submitted only: an entry is cancelled, an exit sent again no
                                 was at work there: it ended there, so it ends here           no
order unknown to us              nothing; it is not ours to touch                            yes
order filled otherwise           nothing; no execution explains it                           yes
position differs                 nothing                                                     yes
cash differs                     nothing                                                     yes
```
A critical one halts entries until an operator has looked and resumes; exits go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar

from msgspec import Struct

from workers.broker.money import ZERO, text
from workers.broker.orders import WorkingOrder
from workers.broker.state import BrokerState
from workers.broker.venue import Standing


class Gone(Struct, frozen=True, tag="order_gone"):
    """An order of ours is not open at the venue."""

    critical: ClassVar[bool] = False
    order: WorkingOrder

    def __str__(self) -> str:
        return f"order {self.order.client_order_id} ({self.order.state.value}) is not open at the venue"


class Foreign(Struct, frozen=True, tag="order_unknown"):
    """An order is open at the venue that is not ours."""

    critical: ClassVar[bool] = True
    client_order_id: str

    def __str__(self) -> str:
        return f"order {self.client_order_id} is open at the venue and unknown here: who else trades there?"


class Unequal(Struct, frozen=True, kw_only=True):
    """An amount is one on the books and another at the venue."""

    critical: ClassVar[bool] = True
    here: Decimal
    there: Decimal


class FilledOtherwise(Unequal, frozen=True, tag="filled_otherwise", kw_only=True):
    """The venue has filled more or less of an order than we know of."""

    client_order_id: str

    def __str__(self) -> str:
        return (
            f"order {self.client_order_id}: {text(self.here)} is filled on the books, {text(self.there)} at"
            " the venue, and no execution explains it"
        )


class PositionDiffers(Unequal, frozen=True, tag="position_differs", kw_only=True):
    """The venue holds another quantity (signed)."""

    symbol: str

    def __str__(self) -> str:
        return f"position {self.symbol}: {text(self.here)} on the books, {text(self.there)} at the venue"


class CashDiffers(Unequal, frozen=True, tag="cash_differs", kw_only=True):
    """The venue's cash is another."""

    def __str__(self) -> str:
        return f"cash: {text(self.here)} on the books, {text(self.there)} at the venue"


Difference = Gone | Foreign | FilledOtherwise | PositionDiffers | CashDiffers


def differences(state: BrokerState, standing: Standing) -> tuple[Difference, ...]:
    """Compare the books, its executions booked already, with the account as the venue has it."""
    return (*_orders(state, standing), *_positions(state, standing), *_cash(state, standing))


def _orders(state: BrokerState, standing: Standing) -> Iterator[Difference]:
    for name, order in state.working.items():
        there = standing.orders.get(name)
        if there is None:
            yield Gone(order)
        elif there != order.filled:
            yield FilledOtherwise(client_order_id=name, here=order.filled, there=there)
    yield from (Foreign(name) for name in sorted(standing.orders.keys() - state.working.keys()))


def _positions(state: BrokerState, standing: Standing) -> Iterator[Difference]:
    for symbol in sorted(state.books.positions.keys() | standing.positions.keys()):
        here, there = state.books.quantity(symbol), standing.positions.get(symbol, ZERO)
        if here != there:
            yield PositionDiffers(symbol=symbol, here=here, there=there)


def _cash(state: BrokerState, standing: Standing) -> Iterator[Difference]:
    if standing.cash is not None and standing.cash != state.books.cash:
        yield CashDiffers(here=state.books.cash, there=standing.cash)
