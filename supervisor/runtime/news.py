"""What is told of the tree: each event is kept, published, heard by listeners and logged, in that order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from protocol.messages.notice import SupervisionEvent
from supervisor.runtime.eventlog import EventLog
from supervisor.runtime.report import level_of, sentence_of
from supervisor.runtime.rootlog import say

AGAIN_S: Final = 1.0
"""How long events wait that could not be written."""

Listener = Callable[[SupervisionEvent], None]


class News:
    """Gathers what happened and tells it a moment later. ``explained`` adds what is known besides."""

    def __init__(self, kept: EventLog, explained: Callable[[SupervisionEvent], SupervisionEvent]) -> None:
        self._loop = asyncio.get_running_loop()
        self._kept, self._explained = kept, explained
        self._events: list[SupervisionEvent] = []
        self._sentences: list[tuple[str, str]] = []
        self._due = False
        self.listeners: list[Listener] = []

    def record(self, event: SupervisionEvent) -> None:
        """Take an event."""
        self._events.append(event)
        self._tell_soon()

    def say(self, level: str, sentence: str) -> None:
        """Take a sentence for the log alone; it comes behind the events recorded before."""
        self._sentences.append((level, sentence))
        self._tell_soon()

    def tell_later(self) -> None:
        """Try again later to write what could not be written."""
        if not self._due:
            self._due = True
            self._loop.call_later(AGAIN_S, self.tell)

    def tell(self) -> None:
        """Tell what was gathered."""
        self._due = False
        events, self._events = [self._explained(event) for event in self._events], []
        sentences, self._sentences = self._sentences, []
        for event in events:
            self._kept.add(event)
            for listener in tuple(self.listeners):
                listener(event)
        self._kept.flush()
        for event in events:
            _log(event)
        for level, sentence in sentences:
            say(level, sentence)

    def _tell_soon(self) -> None:
        if not self._due:
            self._due = True
            # Two turns of the loop later: what was commanded with it comes first, a start above all. To
            # write and tell takes longer than all the rest of a restart.
            self._loop.call_soon(self._loop.call_soon, self.tell)


def _log(event: SupervisionEvent) -> None:
    facts = {"child": event.child, "pid": event.pid, **event.facts}
    known = {key: value for key, value in facts.items() if value is not None}
    say(level_of(event), sentence_of(event), event=event.event, **known)
