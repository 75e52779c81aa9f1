"""Questions that the root's own process put to the engine, and who waits for the answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Generic, TypeVar

from supervisor.engine.events import Event

A = TypeVar("A")


class RootEnded(Exception):
    """The tree ended before it answered."""

    def __str__(self) -> str:
        return "the tree ended before it answered"


class Answers(Generic[A]):
    """Makes requests and hands each answer to whoever asked. All methods belong to the loop's thread."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._serials = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[A]] = {}
        self._closed = False

    async def ask(self, question: Callable[[str], Event]) -> A:
        """Tell the engine what ``question(request)`` makes and wait for the answer to that request.

        Raises RootEnded. Whoever stops waiting does not undo what was asked.
        """
        if self._closed:
            raise RootEnded
        # Requests of operators are random hexadecimal numbers: none begins like this.
        request = f"own {next(self._serials)}"
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting[request] = answer
        try:
            self._tell(question(request))
            return await answer
        finally:
            del self._waiting[request]

    def settle(self, request: str, answer: A) -> bool:
        """Hand over an answer; False when nobody here has asked."""
        waiting = self._waiting.get(request)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
        return waiting is not None

    def close(self) -> None:
        """Nothing is answered any more: whoever still waits gets RootEnded."""
        self._closed = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(RootEnded())
