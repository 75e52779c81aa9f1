"""What happens to a running tree, for whoever wants to follow it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final
from weakref import WeakSet

from protocol.messages.notice import SupervisionEvent

KEPT: Final = 10_000
"""Events that wait for one reader; the oldest are dropped for more."""


class EventStream:
    """``async for event in tree.events``: every event from then on, to the end of the tree.

    Each loop hears all events, at its own pace. What happened before, and what a reader was too slow for, is
    in ``supervisor events``.
    """

    def __init__(self) -> None:
        self._readers: WeakSet[Reader] = WeakSet()
        self._closed = False

    def __aiter__(self) -> Reader:
        reader = Reader(closed=self._closed)
        self._readers.add(reader)
        return reader

    def hear(self, event: SupervisionEvent) -> None:
        """Pass an event to all readers."""
        for reader in tuple(self._readers):
            reader.hear(event)

    def close(self) -> None:
        """Let every loop end once it has what is there."""
        self._closed = True
        for reader in tuple(self._readers):
            reader.close()


class Reader(AsyncIterator[SupervisionEvent]):
    """One reader's place in the stream; hears from the moment it is made. ``missed`` counts what it lost."""

    def __init__(self, *, closed: bool) -> None:
        self._waiting: deque[SupervisionEvent] = deque()
        self._news = asyncio.Event()
        self._closed = closed
        self.missed = 0

    def hear(self, event: SupervisionEvent) -> None:
        """Take an event; the oldest makes room for it."""
        if len(self._waiting) == KEPT:
            self._waiting.popleft()
            self.missed += 1
        self._waiting.append(event)
        self._news.set()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._news.set()

    async def __anext__(self) -> SupervisionEvent:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()
