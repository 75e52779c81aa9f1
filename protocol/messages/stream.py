"""The conversation of the reliable stream: journal and cursor.

Live records are PUBlished as :class:`Live`; the past is asked for with :class:`Fetch` and answered with
:class:`Past`; :class:`Tip` is published every second so that a lost last message is noticed.
"""

from __future__ import annotations

from msgspec import Raw, Struct

from protocol.messages.market import Instrument


class Record(Struct, frozen=True, array_like=True):
    """One numbered entry of a journal. ``body`` is an encoded message of the producer's conversation."""

    seq: int
    at_ms: int
    body: Raw


class MarketRole(Struct, frozen=True, tag="market", kw_only=True):
    """The producer sends candles of one instrument. ``lockstep``: consumers advance row by row together."""

    symbol: str
    timeframe: str
    instrument: Instrument
    lockstep: bool


class OrdersRole(Struct, frozen=True, tag="orders", kw_only=True):
    """The producer is a strategy. ``listens``: it wants the fills of a row before that row."""

    strategy: str
    listens: bool = False


class AccountRole(Struct, frozen=True, tag="account"):
    """The producer is a broker."""


class EventsRole(Struct, frozen=True, tag="events"):
    """The producer is a root supervisor."""


Role = MarketRole | OrdersRole | AccountRole | EventsRole


class Fetch(Struct, frozen=True, tag="fetch"):
    """Ask for at most ``limit`` records with a seq greater than ``after``, and for the newest ticks.

    ``reader`` says who asks; it is done for good with everything up to ``done`` of ``journal``, which may be
    forgotten once all readers are. ``question`` counts the questions of one who follows live prices, from 1.
    """

    after: int
    limit: int = 500
    latest: bool = False
    reader: str = ""
    done: int = 0
    journal: str = ""
    question: int = 0


class Latest(Struct, frozen=True, tag="latest"):
    """The newest value of something that is not journalled; body as in :class:`Record`.

    ``topic`` tells apart what replaces each other: kind and symbol of a tick. ``life`` names the producer's
    process and ``nth`` counts what that has told, from 1, so that late and doubled frames are known.
    """

    topic: str
    at_ms: int
    body: Raw
    life: str = ""
    nth: int = 0


class Former(Struct, frozen=True, array_like=True):
    """An id under which a journal went before, and the seq up to which it is what it was."""

    journal: str
    last_seq: int


class Past(Struct, frozen=True, tag="past", kw_only=True):
    """The answer to :class:`Fetch`: who the producer is, how far its journal goes, and the records.

    ``journal`` is the random id of the producer's journal. ``first_seq`` is the oldest seq still kept
    (``last_seq + 1`` when nothing is kept), ``last_seq`` the newest (0: nothing yet). ``after`` echoes
    the question. ``latest`` are the newest ticks, for who asked for them (``with_latest``), as the process
    ``life`` of the producer knows them. The reply may hold fewer records than asked for; it is never a reason
    to skip any. ``former`` are ids under which the journal went before a boot that may have cost it its last
    records, the newest last. ``question`` echoes the question.
    """

    journal: str
    role: Role
    after: int
    first_seq: int
    last_seq: int
    records: tuple[Record, ...] = ()
    latest: tuple[Latest, ...] = ()
    with_latest: bool = False
    life: str = ""
    former: tuple[Former, ...] = ()
    question: int = 0


class Live(Struct, frozen=True, tag="live"):
    """Records just committed, consecutive in seq."""

    journal: str
    records: tuple[Record, ...]


class Tip(Struct, frozen=True, tag="tip"):
    """How far the producer's journal goes now. ``life``: see :class:`Latest`; ``told``: its last ``nth``."""

    journal: str
    last_seq: int
    life: str = ""
    told: int = 0


Broadcast = Live | Tip | Latest
