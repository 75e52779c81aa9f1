"""One question put to the user's code: what it said, or how it failed."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from workers.shared.exits import PersonMustLook
from workers.strategy.api import PassingTrouble
from workers.strategy.twin import without_twin
from workers.strategy.wishes import Wish, checked

LONGEST_ERROR: Final = 500
"""Of what an exception says the beginning is told, in one line."""
LONGEST_TRACE: Final = 20_000
"""Of a traceback the end is told: it names the line that failed."""


@dataclass(frozen=True)
class Failure:
    """An exception of user code: one line for status, the whole for the log; whether it may pass by
    itself."""

    error: str
    trace: str
    passing: bool = False


@without_twin
def asked(question: Callable[[], Any]) -> tuple[Wish, ...] | Failure:
    """Return what user code wants, holds left out; whatever it raises, or nonsense, becomes a Failure.

    But PersonMustLook: that gets out.
    """
    try:
        return checked(question() or ())
    except PersonMustLook:
        raise
    except BaseException as error:  # noqa: BLE001 - user code may raise anything; it is counted
        return failure_of(error)


@without_twin
def told(word: Callable[[], object]) -> Failure | None:
    """Tell user code something; whatever it raises but PersonMustLook becomes a Failure."""
    try:
        word()
    except PersonMustLook:
        raise
    except BaseException as error:  # noqa: BLE001 - as above
        return failure_of(error)
    return None


def failure_of(error: BaseException) -> Failure:
    """Return how an exception is told, in texts that any log and any frame can take."""
    trace = _clean("".join(traceback.format_exception(error)))[-LONGEST_TRACE:]
    return Failure(in_words(error), trace, isinstance(error, PassingTrouble))


def in_words(error: BaseException) -> str:
    """Return class and text of an exception of user code in one line; it may be unable to say its text."""
    name = type(error).__name__
    try:
        text = f"{error}"
    except BaseException as another:  # noqa: BLE001 - a __str__ of user code may raise anything too
        return f"{name}, whose text cannot be made ({type(another).__name__})"
    line = " ".join(_clean(f"{name}: {text}").split())
    return line.removesuffix(":")[:LONGEST_ERROR]


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
