"""Requests of operators under way: who waits for what, and the answers already given. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from protocol.messages.operator import Answer, Outcome

_ANSWERS_KEPT = 256


@dataclass
class Pending:
    """A request whose children have not all answered. ``askers`` are the identities that wait for it."""

    names: tuple[str, ...]
    askers: list[bytes]
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every child named has answered."""
        return all(name in self.outcomes for name in self.names)


class Requests:
    """Makes a request idempotent: asked again, it is joined while under way and remembered afterwards."""

    def __init__(self) -> None:
        self._pending: dict[str, Pending] = {}
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def known(self, request: str, asker: bytes) -> Answer | bool:
        """The answer given before; True if the asker now waits for the one to come; False if it is new."""
        if request in self._answers:
            return self._answers[request]
        pending = self._pending.get(request)
        if pending is None:
            return False
        if asker not in pending.askers:
            pending.askers.append(asker)
        return True

    def begin(self, request: str, names: tuple[str, ...], asker: bytes) -> None:
        """Wait for the outcome of each of these children."""
        self._pending[request] = Pending(names, [asker])

    def outcome(self, request: str, outcome: Outcome) -> tuple[Answer, list[bytes]] | None:
        """Note one child's outcome; the answer and who gets it when it was the last one."""
        pending = self._pending.get(request)
        if pending is None:
            return None
        pending.outcomes[outcome.child] = outcome
        if not pending.complete:
            return None
        outcomes = tuple(pending.outcomes[name] for name in pending.names)
        code = max((one.code for one in outcomes if not one.ok), default=0)
        answer = Answer(request=request, ok=code == 0, code=code, outcomes=outcomes)
        return self.answered(answer), pending.askers

    def answered(self, answer: Answer) -> Answer:
        """Remember an answer."""
        self._pending.pop(answer.request, None)
        self._answers[answer.request] = answer
        while len(self._answers) > _ANSWERS_KEPT:
            self._answers.popitem(last=False)
        return answer
