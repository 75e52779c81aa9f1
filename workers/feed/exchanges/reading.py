"""Takes JSON of strangers apart. Whatever comes, the only exception is BadFrame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

import msgspec

from workers.feed.exchanges.events import BadFrame, Kline, PastFunding, Print

T = TypeVar("T")

# All real prices and amounts, and nothing that takes long to compute with.
_NUMBER: Final = re.compile(r"-?\d{1,20}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,2})?\Z", re.ASCII)
_WIDEST: Final = 30
_LONGEST_MS: Final = 10**15
_LONGEST_TEXT: Final = 200
_ONE: Final = Decimal(1)


def decoded(text: str | bytes) -> Any:
    """Return the JSON value that ``text`` holds; numbers with a point as Decimal."""
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise BadFrame("json", text[:80]) from error


def typed(text: str | bytes, kind: type[T]) -> T:
    """Decode into a struct; for large answers of which little is wanted."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise BadFrame("form", str(error)) from error


def mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` if it is an object."""
    if not isinstance(value, dict):
        raise BadFrame("type", value)
    return value


def sequence(value: Any, least: int = 0) -> Sequence[Any]:
    """Return ``value`` if it is an array of at least so many."""
    if not isinstance(value, list) or len(value) < least:
        raise BadFrame("type", value)
    return value


def member(value: Any, key: str) -> Any:
    """Return what an object holds under ``key``."""
    try:
        return mapping(value)[key]
    except KeyError:
        raise BadFrame("missing_key", key) from None


def number(value: Any) -> Decimal:
    """Return a finite number, from a string of digits or a JSON number."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_WIDEST:
        return Decimal(value)
    if isinstance(value, str):
        return _decimal(value)
    raise BadFrame("number", value)


def number_at(value: Any, key: str) -> Decimal:
    """Return the number under ``key``."""
    return number(member(value, key))


def optional_number(value: Any, key: str) -> Decimal | None:
    """Return the number under ``key``; None where there is none, or an empty string."""
    found = mapping(value).get(key)
    return None if found is None or found == "" else number(found)


def instant(value: Any) -> int:
    """Return UTC milliseconds, sent as a whole number or as its digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LONGEST_MS:
        raise BadFrame("time", value)
    return value


def instant_at(value: Any, key: str) -> int:
    """Return the UTC milliseconds under ``key``."""
    return instant(member(value, key))


def date(value: Any) -> int:
    """Return the UTC milliseconds of an RFC 3339 date such as ``2023-10-04T16:25:00.000000000Z``."""
    try:
        found = datetime.fromisoformat(text(value))
        milliseconds = round(found.replace(tzinfo=found.tzinfo or UTC).timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise BadFrame("time", value) from error
    return instant(milliseconds)


def side(value: Any) -> Literal["buy", "sell"]:
    """Return the side of a trade, written in whatever case."""
    match told(value).lower():
        case "buy":
            return "buy"
        case "sell":
            return "sell"
    raise BadFrame("side", value)


def candles(rows: Any) -> tuple[Kline, ...]:
    """Return candles of ``[open time, open, high, low, close, volume, ...]``, oldest first."""
    checked = (sequence(row, least=6) for row in sequence(rows))
    return oldest_first(Kline.of(instant(row[0]), map(number, row[1:6])) for row in checked)


def printed(row: Any, keys: Sequence[str], *, size: Decimal = _ONE, ordinary: bool = True) -> Print:
    """Return the trade whose id, price, amount (of ``size`` each), side and time are under ``keys``."""
    trade_id, price, amount, told_side, at_ms = (member(row, key) for key in keys)
    return Print(
        identity(trade_id), number(price), number(amount) * size, side(told_side), instant(at_ms), ordinary
    )


def oldest_first(klines: Iterable[Kline]) -> tuple[Kline, ...]:
    """Return the same in the order of their times."""
    return tuple(sorted(klines, key=lambda kline: kline.open_ms))


def past_fundings(rows: Any, time_key: str, rate_key: str = "fundingRate") -> tuple[PastFunding, ...]:
    """Return fundings that came as objects."""
    return tuple(PastFunding(instant_at(row, time_key), number_at(row, rate_key)) for row in sequence(rows))


def text(value: Any) -> str:
    """Return a string of bounded length."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise BadFrame("type", value)
    return value


def identity(value: Any) -> str:
    """Return an id, sent as a string or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_WIDEST:
        return str(value)
    return text(value)


def flag(value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise BadFrame("type", value)
    return value


def told(value: Any) -> str:
    """Return whatever it is as a short text, for an exchange's own words."""
    return (value if isinstance(value, str) else repr(value))[:_LONGEST_TEXT]


def _decimal(digits: str) -> Decimal:
    if not _NUMBER.match(digits):
        raise BadFrame("number", digits)
    found = Decimal(digits)
    if found and not -_WIDEST <= found.adjusted() <= _WIDEST:
        raise BadFrame("number", digits)
    return found


# Numbers keep the digits that were sent: 0.1 stays 0.1.
_DECODER: Final = msgspec.json.Decoder(float_hook=_decimal)
