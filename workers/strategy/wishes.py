"""What user code may answer: each wish is checked whole before anything is made of it. Pure.

Nobody checks the annotations of user code, and what passes here becomes records that a broker reads: a text
where a number belongs would stop the broker, not the strategy that wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from protocol.messages.trading import AtPrice, Away, EquityFraction, Quantity, WholePosition
from workers.strategy.api import Intent, Risk, Withdraw
from workers.strategy.orders import DIRECTION

Wish = Intent | Withdraw
MOST_WISHES: Final = 100
"""In one answer."""
MOST_REASONS: Final = 20
LONGEST_REASON: Final = 1000
"""In bytes."""
LONGEST_ID: Final = 64
MOST_DIGITS: Final = 40
FARTHEST: Final = 24
"""An amount is from 10^-24 to under 10^25: arithmetic with it can neither overflow nor vanish."""
LONGEST_SHOWN: Final = 100
LATEST_MS: Final = 2**53
SIZES: Final[dict[type, str | None]] = {
    EquityFraction: "fraction",
    Quantity: "amount",
    Risk: "fraction",
    WholePosition: None,
}


def checked(wishes: Iterable[Any]) -> tuple[Wish, ...]:
    """Return the wishes without holds. Raises ValueError or TypeError for what is no wish."""
    found = tuple(islice(wishes, MOST_WISHES + 1))
    if len(found) > MOST_WISHES:
        raise ValueError(f"more than {MOST_WISHES} wishes in one answer; allowed: up to {MOST_WISHES}")
    return tuple(_checked(wish) for wish in found if getattr(wish, "action", None) != "hold")


def _checked(wish: Any) -> Wish:
    if isinstance(wish, Withdraw):
        _check_name("the symbol", wish.symbol)
        _check_name("the order", wish.order)
        return wish
    if not isinstance(wish, Intent):
        raise TypeError(f"a strategy answers with a list of Intent and Withdraw, found {_shown(wish)}")
    (action,) = _fields(wish, "action")
    if type(action) is not str or action not in DIRECTION:
        raise _refused("the action", action, f"{', '.join(DIRECTION)}, hold")
    if not _share(wish.confidence):
        raise _refused("the confidence", wish.confidence, "a Decimal from 0 to 1")
    _check_name("the symbol", wish.symbol)
    _check_size(wish)
    _check_limit(wish)
    for name in ("stop", "target", "trail"):
        _check_level(f"the {name}", getattr(wish, name))
    return replace(wish, reasons=_reasons(wish.reasons))


def _check_name(what: str, name: Any) -> None:
    if name is not None and not (type(name) is str and len(name.encode()) <= LONGEST_ID):
        raise _refused(what, name, f"a string of up to {LONGEST_ID} bytes, or None")


def _check_size(wish: Intent) -> None:
    size: Any = wish.size
    if size is None:
        return
    if type(size) not in SIZES:
        raise _refused("the size", size, ", ".join(kind.__name__ for kind in SIZES))
    key = SIZES[type(size)]
    if key is not None and not _amount(getattr(size, key)):
        raise _refused("the size", size, "a Decimal above 0")
    if isinstance(size, Risk) and wish.stop is None:
        raise ValueError("the size Risk needs a stop")
    if isinstance(size, WholePosition) and wish.action != "exit":
        raise ValueError("the size WholePosition is for an exit; an entry takes another, or None")


def _check_limit(wish: Intent) -> None:
    limit, post_only, expires_ms = _fields(wish, "limit", "post_only", "expires_ms")
    if limit is not None and not _amount(limit):
        raise _refused("the limit", limit, "a Decimal above 0")
    if type(post_only) is not bool:
        raise _refused("post_only", post_only, "True or False")
    if expires_ms is not None and not (type(expires_ms) is int and 0 < expires_ms < LATEST_MS):
        raise _refused("expires_ms", expires_ms, "UTC milliseconds as an int, or None")
    if limit is None and (post_only or expires_ms is not None):
        raise ValueError("post_only and expires_ms belong to a limit, and there is none")


def _check_level(what: str, level: Any) -> None:
    value = getattr(level, "price", None) or getattr(level, "fraction", None)
    if level is not None and not (type(level) in {AtPrice, Away} and _amount(value)):
        raise _refused(what, level, "AtPrice or Away of a Decimal above 0")


def _reasons(reasons: Any) -> tuple[str, ...]:
    """Return them as they are kept. A text alone is a mistake that would be kept letter by letter."""
    if not isinstance(reasons, tuple | list) or len(reasons) > MOST_REASONS:
        raise _refused("what stands for reasons", reasons, f"a tuple of up to {MOST_REASONS} strings")
    for reason in reasons:
        if not isinstance(reason, str) or len(reason.encode()) > LONGEST_REASON:
            raise _refused("a reason", reason, f"a string of up to {LONGEST_REASON} bytes")
    return tuple(map(str.__str__, reasons))


def _fields(wish: Intent, *names: str) -> list[Any]:
    """Return fields of whatever types they have."""
    return [getattr(wish, name) for name in names]


def _refused(what: str, found: object, allowed: str) -> ValueError:
    return ValueError(f"{what} is {_shown(found)}; allowed: {allowed}")


def _shown(value: object) -> str:
    """Return what was found, so short that the rest of the sentence can be seen."""
    return repr(value)[:LONGEST_SHOWN]


def _share(value: Any) -> bool:
    return type(value) is Decimal and value.is_finite() and (value == 0 or (_amount(value) and value <= 1))


def _amount(value: Any) -> bool:
    """Whether it is a number that can be calculated with: above 0, and of a sensible size."""
    return (
        type(value) is Decimal
        and value.is_finite()
        and value > 0
        and abs(value.adjusted()) <= FARTHEST
        and len(value.as_tuple().digits) <= MOST_DIGITS
    )
