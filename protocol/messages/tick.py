"""The conversation of live prices: what a feed tells between candles. Never journalled; the newest counts."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct


class Quote(Struct, frozen=True, tag="quote", kw_only=True):
    """The best bid and ask. ``at_ms`` is the exchange's time, ``received_ms`` when it came in (both UTC)."""

    symbol: str
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    at_ms: int
    received_ms: int


class Trade(Struct, frozen=True, tag="trade", kw_only=True):
    """A print. ``trade_id`` is its identity, not its time; ``side`` is the taker's.

    Liquidation and insurance fund prints are never sent: they are no evidence of a price.
    """

    symbol: str
    trade_id: str
    price: Decimal
    amount: Decimal
    side: Literal["buy", "sell"]
    at_ms: int
    received_ms: int


class Mark(Struct, frozen=True, tag="mark", kw_only=True):
    """The mark price of a perpetual; ``rate`` is the running estimate of the next funding."""

    symbol: str
    mark: Decimal
    at_ms: int
    received_ms: int
    index: Decimal | None = None
    rate: Decimal | None = None
    next_funding_ms: int | None = None


class MarketState(Struct, frozen=True, tag="market_state", kw_only=True):
    """What the feed thinks of its own data. New entries are refused while any of it is wrong.

    ``open`` is False outside market hours; ``skew_ms`` is exchange time minus ours, None: not measured.
    """

    symbol: str
    at_ms: int
    connected: bool = True
    gap: bool = False
    stale: bool = False
    open: bool = True
    skew_ms: int | None = None


Tick = Quote | Trade | Mark | MarketState
