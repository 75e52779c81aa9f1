"""The conversation of market data: what a feed sends."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

OnEnd = Literal["shutdown", "idle", "loop"]


class MarginTier(Struct, frozen=True, array_like=True):
    """Up to ``notional``: the most ``leverage``, and the fraction of notional that must stay as margin."""

    notional: Decimal
    leverage: Decimal
    maintenance: Decimal


class Instrument(Struct, frozen=True, kw_only=True):
    """What the venue says of a market: price and amount grids, smallest order, kind of contract.

    ``contract_size`` is the base currency in one contract. ``maker`` and ``taker`` are fees as fractions of
    notional, None: unknown. ``tiers`` ascend in notional, empty: unknown. ``filters_known`` is False when the
    venue could not be asked for its grids.
    """

    tick: Decimal = Decimal("0.01")
    step: Decimal = Decimal("0.00000001")
    min_notional: Decimal = Decimal(0)
    contract: Literal["spot", "linear"] = "spot"
    min_quantity: Decimal = Decimal(0)
    contract_size: Decimal = Decimal(1)
    maker: Decimal | None = None
    taker: Decimal | None = None
    tiers: tuple[MarginTier, ...] = ()
    filters_known: bool = True


class Candle(Struct, frozen=True, tag="candle", kw_only=True):
    """A closed candle of [``open_ms``, ``close_ms``); volume in the base currency.

    A row of a trade tape is one too: timeframe ``trade``, no length, one price. Many trades share a
    millisecond; ``nth`` counts them from 0, so that (``open_ms``, ``nth``) tells all rows of a market apart.
    """

    symbol: str
    timeframe: str
    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    backfilled: bool = False
    nth: int = 0


class Funding(Struct, frozen=True, tag="funding", kw_only=True):
    """A funding rate: the fraction of a position's notional that longs pay shorts at ``at_ms``."""

    symbol: str
    at_ms: int
    rate: Decimal


class End(Struct, frozen=True, tag="end", kw_only=True):
    """A recording has ended; nothing follows."""

    on_end: OnEnd
    at_ms: int


MarketRecord = Candle | Funding | End
