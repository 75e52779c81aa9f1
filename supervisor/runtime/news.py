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
QUIET_S: Final = 0.004
"""How long the news of an end waits. To write and tell it takes as long as all the rest of a restart, on a
core that launcher and forkserver may want: so the start comes first, and *ready* is told at once."""

Listener = Callable[[SupervisionEvent], None]


class News:
    """Gathers what happened and tells it a moment later. ``explained`` adds what is known besides."""

    def __init__(self, kept: EventLog, explained: Callable[[SupervisionEvent], SupervisionEvent]) -> None:
        self._loop = asyncio.get_running_loop()
        self._kept, self._explained = kept, explained
        self._events: list[SupervisionEvent] = []
        self._sentences: list[tuple[str, str]] = []
        # With its time: uvloop's handles of what is due at once do not know theirs.
        self._next: tuple[float, asyncio.Handle] | None = None
        self.listeners: list[Listener] = []

    def record(self, event: SupervisionEvent) -> None:
        """Take an event."""
        self._events.append(event)
        self._tell_within(0.0 if event.event == "ready" else QUIET_S)

    def say(self, level: str, sentence: str) -> None:
        """Take a sentence for the log alone; it comes behind the events recorded before."""
        self._sentences.append((level, sentence))
        self._tell_within(QUIET_S)

    def tell_later(self) -> None:
        """Try again later to write what could not be written."""
        self._tell_within(AGAIN_S)

    def tell(self) -> None:
        """Tell what was gathered."""
        if self._next is not None:
            self._next[1].cancel()
            self._next = None
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

    def _tell_within(self, delay: float) -> None:
        when = self._loop.time() + delay
        if self._next is not None:
            if self._next[0] <= when:
                return
            self._next[1].cancel()
        self._next = (when, self._loop.call_at(when, self.tell))


def _log(event: SupervisionEvent) -> None:
    facts = {"child": event.child, "pid": event.pid, **event.facts}
    known = {key: value for key, value in facts.items() if value is not None}
    say(level_of(event), sentence_of(event), event=event.event, **known)
