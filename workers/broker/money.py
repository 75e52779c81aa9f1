"""Decimal arithmetic of the books: sums and products are exact, and rounding happens only where it is named.

``EXACT`` traps every inexact result, so that a digit can never be lost in silence; the functions that must
round (a grid, a share, an average) say in which direction they do.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)
from functools import wraps
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

ZERO: Final = Decimal(0)
CENT: Final = Decimal("0.00000001")
"""The smallest amount of quote currency that is booked."""

_FATAL = [InvalidOperation, DivisionByZero, Overflow]
EXACT: Final = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=[*_FATAL, Inexact])
_ROUNDING: Final = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=_FATAL)
_SHARE: Final = Decimal("1e-18")


def exactly(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` under ``EXACT``, whatever context the caller has."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(EXACT):
            return function(*args, **kwargs)

    return run


def floor_to(value: Decimal, grid: Decimal) -> Decimal:
    """Round down to a multiple of ``grid`` (a tick, a step); towards minus infinity."""
    return _to_grid(value, grid, ROUND_FLOOR)


def ceil_to(value: Decimal, grid: Decimal) -> Decimal:
    """Round up to a multiple of ``grid``; towards plus infinity."""
    return _to_grid(value, grid, ROUND_CEILING)


def ratio(value: Decimal, divisor: Decimal) -> Decimal:
    """Divide where the result will be rounded to a grid or only shown."""
    return _ROUNDING.divide(value, divisor)


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return ``amount x part / whole``, rounded to 18 places; all of ``amount`` when part is the whole.

    What is rounded off stays with the rest, so that the shares of an amount always add up to it.
    """
    if part == whole:
        return amount
    exact = _ROUNDING.divide(_ROUNDING.multiply(amount, part), whole)
    return exact.quantize(_SHARE, context=_ROUNDING)


def text(value: Decimal) -> str:
    """Write an amount in plain digits without trailing zeros: the form kept on disk and shown."""
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in {"-0", ""} else plain


def _to_grid(value: Decimal, grid: Decimal, rounding: str) -> Decimal:
    steps = _ROUNDING.divide(value, grid).to_integral_value(rounding=rounding)
    return _ROUNDING.multiply(steps, grid)
