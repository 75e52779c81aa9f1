"""An end is told together with the last word of whoever has ended: first all its output is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol

from supervisor.engine.events import Event, Exited
from supervisor.host.port import HostEvent

PATIENCE_S: Final = 2.0


class Words(Protocol):
    """Where the output of children is read."""

    def is_settled(self, child: str, incarnation: int) -> bool:
        """Whether all of it is read."""
        ...

    def when_settled(self, child: str, incarnation: int, then: Callable[[], None]) -> None:
        """Call ``then`` in some thread when all of it is read."""
        ...

    def last_word(self, child: str, incarnation: int) -> str | None:
        """The last error that it told."""
        ...


class LastWord:
    """Hears of the host and tells on; ``trouble`` knows why a probe failed last."""

    def __init__(
        self, words: Words, trouble: Callable[[str, int], str | None], tell: Callable[[Event], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._words, self._trouble, self._tell = words, trouble, tell

    def hear(self, event: HostEvent) -> None:
        """Tell it at once, or an end that was no success as soon as its reason is known."""
        if not isinstance(event, Exited) or event.status.code == 0:
            self._tell(event)
            return

        told = False

        def settled() -> None:
            nonlocal told
            if told:
                return
            told = True
            child, incarnation = event.child, event.incarnation
            why = self._words.last_word(child, incarnation) or self._trouble(child, incarnation)
            self._tell(event if why is None else replace(event, detail=why))

        if self._words.is_settled(event.child, event.incarnation):
            settled()  # as a rule: the end of its output has woken the reader before anybody else
            return

        def in_loop() -> None:
            with suppress(RuntimeError):  # the loop is over, and nobody is left to be told
                self._loop.call_soon_threadsafe(settled)

        self._words.when_settled(event.child, event.incarnation, in_loop)
        # A disk that hangs may hold up the reader: the end of a child must not wait for its log.
        self._loop.call_later(PATIENCE_S, settled)
