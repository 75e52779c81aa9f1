"""Everything the broker needs to go on after a kill; replaced as a whole with each step."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Struct, field

from protocol.messages.market import OnEnd
from workers.broker.errors import CorruptState
from workers.broker.ledger import Books
from workers.broker.orders import WorkingOrder

SCHEMA = 1


class Seen(Struct, frozen=True, array_like=True):
    """An order id of the recent past: the row it was dealt with, and the fingerprint of its content."""

    row: int
    content: str


class BrokerState(Struct, kw_only=True):
    """The broker between two steps. Owned by the core; the desk changes it.

    ``handled`` is the last market row whose fills were made, ``closed`` the last whose orders were admitted
    (both 0 before the first). ``marks`` are the last prices, ``at_ms`` is the time of the data. ``known``
    is ordered by row. ``numbers`` count the rows written to each table.
    """

    books: Books
    schema: int = SCHEMA
    handled: int = 0
    closed: int = 0
    at_ms: int = 0
    last_candle_ms: int | None = None
    marks: dict[str, Decimal] = field(default_factory=dict)
    funded_ms: dict[str, int] = field(default_factory=dict)
    working: list[WorkingOrder] = field(default_factory=list)
    known: dict[str, Seen] = field(default_factory=dict)
    orders: int = 0
    fills: int = 0
    denied: int = 0
    flows: int = 0
    end: OnEnd | None = None

    def encode(self) -> bytes:
        """Return the form that is stored."""
        return msgspec.msgpack.encode(self)


def restore(stored: bytes | None, cash: Decimal) -> BrokerState:
    """Read the state back, or begin with ``cash`` where there is none.

    Raises:
        CorruptState: the bytes are not a state of this version.
        LedgerBroken: the books in it do not balance.
    """
    if stored is None:
        return BrokerState(books=Books.opened(cash))
    try:
        state = msgspec.msgpack.decode(stored, type=BrokerState)
    except msgspec.MsgspecError as error:
        raise CorruptState(str(error)) from error
    if state.schema != SCHEMA:
        raise CorruptState(f"it is of version {state.schema}, this program reads version {SCHEMA}")
    state.books.check()
    return state
