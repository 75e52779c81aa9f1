"""The one place where tests wait: until something is true, never for a time.

Every other test waits for an event or simulates its clock; these two are for what only a real process can
bring about.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

T = TypeVar("T")

DEADLINE_S = 15.0
"""Generous: a loaded machine must not fail a test, and a passing one never waits this long."""
FIRST_PAUSE_S = 0.005
LAST_PAUSE_S = 0.010


class NeverHappened(AssertionError):
    """The deadline passed; says what was awaited and what was seen last."""

    def __init__(self, what: str, deadline_s: float, last: object) -> None:
        super().__init__(what, deadline_s, last)
        self.what, self.deadline_s, self.last = what, deadline_s, last

    def __str__(self) -> str:
        return f"waited {self.deadline_s:g} s for {self.what}; last seen: {self.last!r}"


def wait_until(
    predicate: Callable[[], T],
    deadline_s: float = DEADLINE_S,
    what: str = "the predicate to hold",
    state: Callable[[], object] | None = None,
) -> T:
    """Return the first true value of ``predicate``.

    ``state`` is asked once, at the end, for something more telling than the last false value. Raises
    ``NeverHappened`` after ``deadline_s`` seconds; what the predicate raises is passed on at once.
    """
    ends_at = time.monotonic() + deadline_s
    pause_s = FIRST_PAUSE_S
    while not (last := predicate()):
        if time.monotonic() >= ends_at:
            raise NeverHappened(what, deadline_s, state() if state else last)
        time.sleep(pause_s)
        pause_s = min(LAST_PAUSE_S, pause_s * 1.2)
    return last


async def until(
    predicate: Callable[[], T | Awaitable[T]],
    deadline_s: float = DEADLINE_S,
    what: str = "the predicate to hold",
    state: Callable[[], object] | None = None,
) -> T:
    """Do as ``wait_until`` and let the event loop run; the predicate may be a coroutine function."""
    ends_at = time.monotonic() + deadline_s
    pause_s = FIRST_PAUSE_S
    while not (last := await _value(predicate)):
        if time.monotonic() >= ends_at:
            raise NeverHappened(what, deadline_s, state() if state else last)
        await asyncio.sleep(pause_s)
        pause_s = min(LAST_PAUSE_S, pause_s * 1.2)
    return last


async def _value(predicate: Callable[[], T | Awaitable[T]]) -> T:
    answer = predicate()
    return cast("T", await answer if inspect.isawaitable(answer) else answer)
