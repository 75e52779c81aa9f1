"""Everything the broker needs to go on after a kill; replaced as a whole with each step."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Struct, field

from protocol.messages.market import OnEnd
from workers.broker.breakers import Watch
from workers.broker.errors import CorruptState, OtherVersion
from workers.broker.ledger import Books
from workers.broker.orders import WorkingOrder
from workers.broker.round_trips import RoundTrip
from workers.broker.trading_state import Trading

SCHEMA = 2


class Seen(Struct, frozen=True, array_like=True):
    """An order id of the recent past: the row it was dealt with, and the fingerprint of its content."""

    row: int
    content: str


class Owed(Struct, frozen=True, array_like=True):
    """A funding time whose rate is unknown: what was held then, and the mark."""

    symbol: str
    at_ms: int
    quantity: Decimal
    mark: Decimal


class Instructed(Struct, frozen=True, array_like=True):
    """How far the instructions of which journal were followed."""

    journal: str
    seq: int


class BrokerState(Struct, kw_only=True, omit_defaults=True):
    """The broker between two steps. Owned by the core; the desk changes it.

    ``handled`` is the last market row whose fills were made, ``closed`` the last whose orders were admitted
    (both 0 before the first). ``marks`` are the last prices, ``at_ms`` is the time of the data. ``known`` is
    ordered by row, ``working`` by acceptance. ``orders``, ``fills``, ``flows``, ``trades`` and ``changes``
    count the rows written to their tables. ``funding_ms`` is how far the funding file was booked, ``owed``
    are funding times whose rate is not known yet. ``sampled`` is the last period of the equity series.
    ``ticking``: this market has sent quotes; the last came at ``quoted_ms``, without a hole since
    ``watched_ms``. ``funding_due_ms`` is the next funding time that the venue of ``funding_symbol`` has
    named. ``errors`` are those of the guard. ``foretold`` are the
    instructions that curb trading already, and whose other half waits for the market.
    """

    books: Books
    schema: int
    handled: int = 0
    closed: int = 0
    at_ms: int = 0
    last_candle_ms: int | None = None
    marks: dict[str, Decimal] = field(default_factory=dict)
    funded_ms: dict[str, int] = field(default_factory=dict)
    working: dict[str, WorkingOrder] = field(default_factory=dict)
    known: dict[str, Seen] = field(default_factory=dict)
    orders: int = 0
    fills: int = 0
    denied: int = 0
    flows: int = 0
    end: OnEnd | None = None
    trips: dict[str, RoundTrip] = field(default_factory=dict)
    trades: int = 0
    trading: Trading = field(default_factory=Trading)
    watch: Watch = field(default_factory=Watch)
    changes: int = 0
    funding_ms: int | None = None
    owed: list[Owed] = field(default_factory=list)
    sampled: int = -1
    instructed: Instructed | None = None
    ticking: bool = False
    watched_ms: int = 0
    quoted_ms: int = 0
    funding_due_ms: int | None = None
    funding_symbol: str = ""
    errors: int = 0
    last_error: str | None = None
    foretold: list[int] = field(default_factory=list)

    def encode(self) -> bytes:
        """Return the form that is stored."""
        return msgspec.msgpack.encode(self)


class _Version(Struct):
    schema: int


def restore(stored: bytes | None, cash: Decimal) -> BrokerState:
    """Read the state back, or begin with ``cash`` where there is none.

    Raises:
        CorruptState: the bytes are not a state.
        OtherVersion: they are that of another version.
        LedgerBroken: the books in it do not balance.
    """
    if stored is None:
        return BrokerState(books=Books.opened(cash), schema=SCHEMA)
    try:
        version = msgspec.msgpack.decode(stored, type=_Version).schema
        if version != SCHEMA:
            raise OtherVersion(version, SCHEMA)
        state = msgspec.msgpack.decode(stored, type=BrokerState)
    except msgspec.MsgspecError as error:
        raise CorruptState(str(error)) from error
    state.books.check()
    return state
