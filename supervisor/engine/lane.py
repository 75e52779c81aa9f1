"""A lane: the serial process of Erlang, as a pure value.

A lane does one operation at a time. An operation is a generator that yields the condition it waits for; it
goes on when the condition holds. What arrives meanwhile queues up in the inbox. A supervisor that behaves
to OTP's letter has one lane for all its children; one whose children must not wait for each other gives
each child a lane of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import TypeVar

Condition = Callable[[], bool]
T = TypeVar("T")
Operation = Generator[Condition, None, T]


class Ticket:
    """Tells whether a posted operation has come to its end (or was dropped)."""

    __slots__ = ("done", "dropped", "listener")

    def __init__(self, listener: Lane | None, dropped: Callable[[], None] | None) -> None:
        self.done = False
        self.listener = listener
        self.dropped = dropped


class Lane:
    """Runs posted operations in order. ``wake`` is called with a lane that may have something to do."""

    __slots__ = ("_condition", "_current", "_inbox", "_wake", "queued")

    def __init__(self, wake: Callable[[Lane], None]) -> None:
        self._inbox: deque[tuple[Operation[None], Ticket]] = deque()
        self._current: tuple[Operation[None], Ticket] | None = None
        self._condition: Condition | None = None
        self._wake = wake
        self.queued = False

    def post(
        self,
        operation: Operation[None],
        *,
        listener: Lane | None = None,
        dropped: Callable[[], None] | None = None,
        first: bool = False,
    ) -> Ticket:
        """Queue an operation behind the others, or before them (``first``).

        ``listener`` is woken when it has ended; ``dropped`` is called if it never comes to its end. So who
        was answered is answered as the last thing of an operation: what follows from it is the next one.
        """
        ticket = Ticket(listener, dropped)
        if first:
            self._inbox.appendleft((operation, ticket))
        else:
            self._inbox.append((operation, ticket))
        self._wake(self)
        return ticket

    def drop_inbox(self) -> None:
        """Forget what waits; the operation in hand goes on."""
        waiting = tuple(self._inbox)
        self._inbox.clear()
        for operation, ticket in waiting:
            self._drop(operation, ticket)

    def abandon(self) -> None:
        """Drop the operation in hand too: whoever carried it out is lost. Not to be called from it."""
        if self._current is not None:
            operation, ticket = self._current
            self._current = self._condition = None
            self._drop(operation, ticket)
        self.drop_inbox()

    def _drop(self, operation: Operation[None], ticket: Ticket) -> None:
        operation.close()
        if ticket.dropped is not None:
            ticket.dropped()
        self._end(ticket)

    def _end(self, ticket: Ticket) -> None:
        ticket.done = True
        if ticket.listener is not None:
            self._wake(ticket.listener)

    def run(self) -> None:
        """Go on as far as the conditions allow."""
        while True:
            if self._current is None:
                if not self._inbox:
                    return
                self._current = self._inbox.popleft()
                self._condition = None
            if self._condition is not None and not self._condition():
                return
            operation, ticket = self._current
            try:
                self._condition = next(operation)
            except StopIteration:
                self._current = None
                self._end(ticket)
