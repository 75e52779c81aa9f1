"""What a frame of an exchange says, in words that are the same for all exchanges.

Prices and amounts are as sent: finite numbers, nothing more; ``workers.feed.live.validation`` judges them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Self


class BadFrame(Exception):
    """A frame or an answer is not of the form that its exchange documents. ``kind`` is a name to count by."""

    def __init__(self, kind: str, found: object = "") -> None:
        super().__init__(kind, found)
        self.kind, self.found = kind, repr(found)[:120]

    def __str__(self) -> str:
        return f"bad frame ({self.kind}): {self.found}"


class UnknownMarket(BadFrame):
    """The exchange has answered, and lists no market of this name."""

    def __init__(self, name: str) -> None:
        super().__init__("unknown_market", name)


@dataclass(frozen=True, slots=True)
class Kline:
    """A version of the candle that opens at ``open_ms``; volume in the base currency.

    ``closed`` is the exchange's flag, None where it has none. ``at_ms`` is the exchange's time of the
    message, None where it tells none.
    """

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool | None = None
    at_ms: int | None = None

    @classmethod
    def of(
        cls, open_ms: int, values: Iterable[Decimal], *, closed: bool | None = None, at_ms: int | None = None
    ) -> Self:
        """Make one of open, high, low, close and volume, in this order."""
        opened, high, low, close, volume = values
        return cls(open_ms, opened, high, low, close, volume, closed, at_ms)


@dataclass(frozen=True, slots=True)
class BestQuote:
    """The best bid and ask. ``at_ms`` None: the exchange tells no time."""

    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    at_ms: int | None = None

    @classmethod
    def of(cls, values: Iterable[Decimal], at_ms: int | None = None) -> Self:
        """Make one of bid, its size, ask, its size, in this order."""
        bid, bid_size, ask, ask_size = values
        return cls(bid, bid_size, ask, ask_size, at_ms)


@dataclass(frozen=True, slots=True)
class Print:
    """A trade. ``ordinary`` is False for liquidations and an insurance fund's prints.

    ``trade_id`` is empty where the exchange gives none.
    """

    trade_id: str
    price: Decimal
    amount: Decimal
    side: Literal["buy", "sell"]
    at_ms: int
    ordinary: bool = True


@dataclass(frozen=True, slots=True)
class MarkPrice:
    """The mark price of a perpetual; ``rate`` is the estimate for the funding at ``next_funding_ms``."""

    mark: Decimal
    at_ms: int
    index: Decimal | None = None
    rate: Decimal | None = None
    next_funding_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PastFunding:
    """A funding that is over: the fraction of a position's notional that longs paid shorts at ``at_ms``."""

    at_ms: int
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A subscription was accepted. Some exchanges accept what they never deliver."""

    what: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange said no; ``why`` is its own sentence, cut short."""

    why: str


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to our ping."""


@dataclass(frozen=True, slots=True)
class Pinged:
    """The exchange wants ``answer`` back."""

    answer: str


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life without data."""


@dataclass(frozen=True, slots=True)
class GoingAway:
    """The exchange will cut this connection: make a new one now."""

    why: str


Data = Kline | BestQuote | Print | MarkPrice
Event = Data | Acknowledged | Refused | Pong | Pinged | Beat | GoingAway
