"""Many children that die at once do not come back as a herd: few starts are under way at a time. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Key = tuple[str, int]
"""A child and its incarnation."""

AT_ONCE = min(32, max(8, 4 * (os.cpu_count() or 1)))
"""Starts under way at the same time: enough to keep all cores busy, few enough that each gets somewhere."""
PATIENCE_S = 1.0
"""A start that takes longer than this holds nobody up any more."""


class StartGate(Generic[T]):
    """Lets ``room`` starts in; the others wait in their order. ``admit`` is called with who may start."""

    def __init__(self, room: int, admit: Callable[[Key, T], None]) -> None:
        self._room = room
        self._admit = admit
        self._inside: set[Key] = set()
        self._waiting: dict[Key, T] = {}

    def enter(self, key: Key, order: T) -> None:
        """Ask for a start; it is admitted at once or later, unless it withdraws."""
        self._waiting[key] = order
        self._let_in()

    def withdraw(self, key: Key) -> bool:
        """Give up a start that still waits. False: it does not."""
        waited = key in self._waiting
        self._waiting.pop(key, None)
        return waited

    def leave(self, key: Key) -> None:
        """Make room: this start has succeeded, has failed, or takes too long. Harmless when repeated."""
        self._inside.discard(key)
        self._let_in()

    def close(self) -> None:
        """Let nobody in any more."""
        self._waiting.clear()

    def _let_in(self) -> None:
        while self._waiting and len(self._inside) < self._room:
            key = next(iter(self._waiting))
            order = self._waiting.pop(key)
            self._inside.add(key)
            self._admit(key, order)
