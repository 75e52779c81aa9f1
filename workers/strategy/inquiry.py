"""A question to somebody outside, and the answer: where a pure strategy and a network client meet. Pure.

The strategy asks and is not ready; its row waits. The client sees the question, answers, and wakes the
process; the strategy is asked again and is ready. A question asked by a process that died is asked again by
the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Question:
    """``key`` names the moment; ``body`` is what is asked, as plain values."""

    key: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Answered:
    """What came back."""

    body: bytes


@dataclass(frozen=True)
class Unanswered:
    """Why nothing came back, after all tries."""

    why: str


Reply = Answered | Unanswered


def _nobody() -> None:
    """Nobody listens yet: the question stays until somebody does."""


class Inquiry:
    """One question at a time. ``on_asked`` is called when there is a new one."""

    def __init__(self) -> None:
        self.open: Question | None = None
        self.on_asked: Callable[[], None] = _nobody
        self._reply: tuple[str, Reply] | None = None

    def has(self, key: str) -> bool:
        """Whether the reply to this question is here."""
        return self._reply is not None and self._reply[0] == key

    def ask(self, question: Question) -> None:
        """Ask; harmless when repeated."""
        if self.open is None or self.open.key != question.key:
            self.open = question
            self.on_asked()

    def answer(self, key: str, reply: Reply) -> None:
        """Bring the reply; one to an older question is dropped."""
        if self.open is not None and self.open.key == key:
            self.open, self._reply = None, (key, reply)

    def take(self, key: str) -> Reply:
        """Take the reply out. Raises LookupError when it is not here."""
        if self._reply is None or self._reply[0] != key:
            raise LookupError(f"no reply to {key}")
        reply, self._reply = self._reply[1], None
        return reply
