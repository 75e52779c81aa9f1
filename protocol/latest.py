"""Live prices: of each topic the newest, once, whoever comes late or is born again. Both halves; no sockets.

Nothing here is kept on disk, so the order is that of one process of the producer, its *life*: each value has
a number in it. A consumer that meets a new life asks for everything it knows, and so does one whose numbers
have a hole: what was told between an answer and the moment at which the subscription held may not be repeated
for hours. What an ended life still says is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from msgspec import Raw

from protocol.messages.stream import Latest

FORMER_LIVES: Final = 8
"""How many ended lives are remembered: frames of an even older one cannot be on the way any more."""


class Board:
    """The producer's half: numbers what is told, and remembers the newest of each topic."""

    def __init__(self, life: str) -> None:
        self.life = life
        self._told = 0
        self._newest: dict[str, Latest] = {}

    def post(self, topic: str, at_ms: int, body: Raw) -> Latest:
        """Return what is to be told now."""
        self._told += 1
        latest = Latest(topic=topic, at_ms=at_ms, body=body, life=self.life, nth=self._told)
        self._newest[topic] = latest
        return latest

    @property
    def told(self) -> int:
        """How many values this life has told."""
        return self._told

    @property
    def newest(self) -> tuple[Latest, ...]:
        """The newest of each topic, for who comes late; in the order in which they were told."""
        return tuple(sorted(self._newest.values(), key=lambda latest: latest.nth))


class Watch:
    """The consumer's half: which values are news, and whether to ask for all of them (``wanted``).

    Only an answer says which life is the present one. A broadcast may be late, and of a process long gone:
    a life that was not met before is worth a question, and is not believed.
    """

    def __init__(self) -> None:
        self.wanted = True
        self.life: str | None = None
        self._former: deque[str] = deque(maxlen=FORMER_LIVES)
        self._suspected: str | None = None
        self._seen: dict[str, int] = {}
        self._heard = self._missed = 0

    def hear(self, life: str, told: int = 0) -> bool:
        """Learn that ``life`` speaks and has told so many values; True: its first word, not met before."""
        if life == self.life:
            self._note_missed(told)
            return False
        if life in self._former:
            return False
        fresh = life != self._suspected
        self._suspected, self.wanted = life, True
        return fresh

    def meet(self, life: str) -> bool:
        """Learn that the producer answers as ``life``; False when that life has ended already."""
        if life == self.life:
            return True
        if life in self._former:
            return False
        if self.life is not None:
            self._former.append(self.life)
        self.life, self.wanted = life, True
        self._seen.clear()
        self._heard = self._missed = 0
        return True

    def news(self, latest: Latest) -> bool:
        """Whether this is newer than all that was heard of its topic; counts as heard then."""
        if latest.life != self.life:
            self.hear(latest.life)
            return False
        self._note_missed(latest.nth - 1)
        self._heard = max(self._heard, latest.nth)
        if latest.nth <= self._seen.get(latest.topic, 0):
            return False
        self._seen[latest.topic] = latest.nth
        return True

    def answered(self, life: str, newest: Iterable[Latest]) -> tuple[Latest, ...]:
        """Take the answer of ``life`` to the question for everything; returns what of it is news."""
        if not self.meet(life):
            return ()
        known = tuple(newest)
        up_to = max((latest.nth for latest in known), default=0)
        self._heard = max(self._heard, up_to)
        # An answer may have been overtaken by values that were told after it.
        self.wanted = self._missed > up_to
        return tuple(latest for latest in known if self.news(latest))

    def _note_missed(self, told: int) -> None:
        if told > self._heard:
            self._missed, self.wanted = told, True
