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
    """Questions in the order in which they were asked. ``on_asked`` is called when there is a new one."""

    def __init__(self) -> None:
        self.on_asked: Callable[[], None] = _nobody
        self._open: dict[str, Question] = {}
        self._replies: dict[str, Reply] = {}

    @property
    def open(self) -> Question | None:
        """The question that was asked first and has no reply yet."""
        return next(iter(self._open.values()), None)

    def has(self, key: str) -> bool:
        """Whether the reply to this question is here."""
        return key in self._replies

    def ask(self, question: Question) -> None:
        """Ask; harmless when repeated."""
        if question.key not in self._open:
            self._open[question.key] = question
            self.on_asked()

    def answer(self, key: str, reply: Reply) -> None:
        """Bring the reply; one to a question that nobody asked is dropped."""
        if self._open.pop(key, None) is not None:
            self._replies[key] = reply

    def take(self, key: str) -> Reply:
        """Take the reply out. Raises LookupError when it is not here."""
        if key not in self._replies:
            raise LookupError(f"no reply to {key}")
        return self._replies.pop(key)
