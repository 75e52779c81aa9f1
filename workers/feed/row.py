"""What a row of a recording is, and how its columns are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final, Literal

CANDLE_HEADER: Final = ("ts_ms", "open", "high", "low", "close", "volume")
TRADE_HEADER: Final = ("ts_ms", "price", "amount", "side")
BASE_PLACES: Final = Decimal("0.00000001")
TOO_MUCH: Final = Decimal(10) ** 19
"""No market has traded so many of anything in a row; more digits than Decimal keeps would follow."""

LATEST_MS: Final = 253_402_300_799_999
"""The end of the year 9999: the last time that can be written as a date."""

# All that a market or a binary float is written as: 46815.50, 0.0012999999999999999, 1.234e-05.
_NUMBER: Final = r"\d{1,18}(?:\.\d{0,30})?(?:[eE](?:-[0-3]?\d|\+?0?\d))?"
_TIME: Final = r"\d{1,15}"
NUMBER: Final = re.compile(rf"{_NUMBER}\Z", re.ASCII)
TIME: Final = re.compile(rf"{_TIME}\Z", re.ASCII)
CANDLE: Final = re.compile(rf"\s*({_TIME})\s*" + rf",\s*({_NUMBER})\s*" * 5 + r"\Z", re.ASCII)
_PLACES: Final = 18
_FINEST: Final = Decimal(1).scaleb(-_PLACES)
_WIDE: Final = Context(prec=60)


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


def price(text: str) -> Decimal:
    """Read what matches NUMBER; beyond 18 places, which no books take, it is a float's noise: rounded."""
    value = Decimal(text)
    if len(text) <= _PLACES and "e" not in text and "E" not in text:
        return value
    noisy = int(value.as_tuple().exponent) < -_PLACES
    return value.quantize(_FINEST, context=_WIDE) if noisy else value


def in_base(quote: Decimal, price: Decimal) -> Decimal | None:
    """Turn an amount of the quote currency into one of the base currency; None when it is absurdly large."""
    amount = quote / price
    return amount.quantize(BASE_PLACES) if amount < TOO_MUCH else None
