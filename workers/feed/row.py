"""What a row of a recording is, and how its columns are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

CANDLE_HEADER: Final = ("ts_ms", "open", "high", "low", "close", "volume")
TRADE_HEADER: Final = ("ts_ms", "price", "amount", "side")
BASE_PLACES: Final = Decimal("0.00000001")
TOO_MUCH: Final = Decimal(10) ** 19
"""No market has traded so many of anything in a row; more digits than Decimal keeps would follow."""

# Up to 18 digits before the point and after it: all real markets, and no number that Decimal rounds.
NUMBER: Final = re.compile(r"\d{1,18}(?:\.\d{0,18})?(?:[eE][+-]?\d)?\Z", re.ASCII)
TIME: Final = re.compile(r"\d{1,15}\Z", re.ASCII)


@dataclass(frozen=True)
class Layout:
    """How to read the columns; as in the feed's configuration.

    ``trades``: None for candles; for a trade tape the names of the columns after the first four. A trade
    takes no time, so ``timeframe_ms`` is 0 then.
    """

    timeframe_ms: int
    time: Literal["open", "close"] = "open"
    volume: Literal["base", "quote"] = "base"
    trades: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Row:
    """One candle or trade of the file; volume in the base currency. ``trade_id`` is empty where none is told.

    A trade is a candle of no length, whose four prices are one.
    """

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trade_id: str = ""


def in_base(quote: Decimal, price: Decimal) -> Decimal | None:
    """Turn an amount of the quote currency into one of the base currency; None when it is absurdly large."""
    amount = quote / price
    return amount.quantize(BASE_PLACES) if amount < TOO_MUCH else None
