"""One question put to the user's code: what it said, or how it failed."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from protocol.messages.trading import AtPrice, Away, EquityFraction, Quantity, WholePosition
from workers.shared.exits import PersonMustLook
from workers.strategy.api import Intent, PassingTrouble, Risk, Withdraw
from workers.strategy.orders import DIRECTION

Wish = Intent | Withdraw
SIZES: Final = (EquityFraction, Quantity, WholePosition, Risk)


@dataclass(frozen=True)
class Failure:
    """An exception of user code: one line for status, the whole for the log; whether it may pass by
    itself."""

    error: str
    trace: str
    passing: bool = False


def asked(question: Callable[[], Any]) -> tuple[Wish, ...] | Failure:
    """Return what user code wants, holds left out; whatever it raises, or nonsense, becomes a Failure.

    But PersonMustLook: that gets out.
    """
    try:
        return checked(question() or ())
    except PersonMustLook:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything; it is counted
        return failure_of(error)


def told(word: Callable[[], object]) -> Failure | None:
    """Tell user code something; whatever it raises becomes a Failure."""
    try:
        word()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
        return failure_of(error)
    return None


def checked(wishes: Iterable[Any]) -> tuple[Wish, ...]:
    """Return the wishes without holds. Raises ValueError or TypeError for what is no wish."""
    return tuple(_checked(wish) for wish in wishes if getattr(wish, "action", None) != "hold")


def failure_of(error: BaseException) -> Failure:
    """Return how an exception is told."""
    trace = "".join(traceback.format_exception(error))
    return Failure(f"{type(error).__name__}: {error}", trace, isinstance(error, PassingTrouble))


def _checked(wish: Any) -> Wish:
    if isinstance(wish, Withdraw):
        return wish
    if not isinstance(wish, Intent):
        raise TypeError(f"a strategy answers with a list of Intent and Withdraw, found {wish!r}")
    _check_fields(wish.action, wish.confidence, wish.size, wish.limit)
    _check_levels(wish)
    return wish


def _check_fields(action: Any, confidence: Any, size: Any, limit: Any) -> None:
    # Of whatever types: the annotations of user code are not checked by anybody.
    if action not in DIRECTION:
        raise ValueError(f"the action {action!r} is unknown; allowed: {', '.join(DIRECTION)}, hold")
    if not _amount(confidence) or confidence > 1:
        raise ValueError(f"the confidence is {confidence!r}; allowed: a Decimal from 0 to 1")
    if size is not None and not isinstance(size, SIZES):
        names = ", ".join(kind.__name__ for kind in SIZES)
        raise ValueError(f"the size is {size!r}; allowed: {names}")
    if limit is not None and not (_amount(limit) and limit):
        raise ValueError(f"the limit is {limit!r}; allowed: a Decimal above 0")


def _check_levels(wish: Intent) -> None:
    levels: tuple[tuple[str, Any], ...] = (
        ("stop", wish.stop),
        ("target", wish.target),
        ("trail", wish.trail),
    )
    for name, level in levels:
        value = getattr(level, "price", None) or getattr(level, "fraction", None)
        if level is not None and not (isinstance(level, AtPrice | Away) and _amount(value)):
            raise ValueError(f"the {name} is {level!r}; allowed: AtPrice or Away of a Decimal above 0")
    if isinstance(wish.size, Risk) and (wish.stop is None or not _amount(wish.size.fraction)):
        raise ValueError("the size Risk needs a stop and a fraction above 0")


def _amount(value: Any) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and value >= 0
