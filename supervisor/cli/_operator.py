"""The client's half of the operator conversation."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import click

from protocol.codec import OPERATOR_REPLY, OPERATOR_REQUEST
from protocol.errors import NoAnswer, NoRoot
from protocol.messages.operator import (
    Answer,
    AskChange,
    AskReload,
    AskStatus,
    OperatorReply,
    OperatorRequest,
    StatusIs,
)
from protocol.places import RootEntry, endpoint, find_root, running_roots
from supervisor.cli._failure import FAILED, INTERRUPTED, NO_ROOT, TIMED_OUT, Failure
from supervisor.cli._surroundings import Ask, surroundings

Verb = Literal["start", "stop", "restart"]
STATUS_TIMEOUT: Final = 5.0
_SLICE: Final = 2.0
"""Seconds of one asking; between two the client looks whether the root still lives."""
_PAST: Final[dict[Verb, str]] = {"start": "ready", "stop": "stopped", "restart": "ready again"}


@dataclass(frozen=True)
class Operator:
    """Speaks with one running root."""

    entry: RootEntry
    ask: Ask

    def status(self) -> dict[str, Any]:
        """Return the status object. Raises NoAnswer."""
        reply = self._ask(AskStatus(secrets.token_hex(8)), STATUS_TIMEOUT)
        if not isinstance(reply, StatusIs):
            raise Failure("the root answered something else than its status; do both run the same release?")
        return reply.status

    def change(self, wish: AskChange | AskReload, timeout: float) -> Answer:
        """Have the root do something; asked again and again under one id it is done once.

        Raises Failure with 4 when the root ends meanwhile, with 5 when the time is over, and with 130 at
        Ctrl+C, which stops nothing.
        """
        deadline = time.monotonic() + timeout
        try:
            while (left := deadline - time.monotonic()) > 0:
                answer = self._try(wish, min(left, _SLICE))
                if answer is not None:
                    return answer
        except KeyboardInterrupt:
            raise Failure("no longer waiting; the root goes on with it", INTERRUPTED) from None
        raise Failure(f"not done within {timeout:g} s; the root goes on with it", TIMED_OUT)

    def wait_for_end(self, timeout: float) -> None:
        """Wait until the root is gone. Raises Failure with 5 when it is not in time."""
        deadline = time.monotonic() + timeout
        while self._there:
            if time.monotonic() > deadline:
                raise Failure(f"the root (pid {self.entry.pid}) still runs after {timeout:g} s", TIMED_OUT)
            time.sleep(0.01)

    @property
    def _there(self) -> bool:
        if not self.entry.embedded:
            return self.entry.running
        return self.entry in running_roots()

    def _try(self, wish: AskChange | AskReload, timeout: float) -> Answer | None:
        try:
            reply = self._ask(wish, timeout)
        except NoAnswer:
            if self._there:
                return None
            if isinstance(wish, AskChange) and wish.verb == "stop" and wish.everything:
                return Answer(request=wish.request, ok=True)
            raise Failure("the root ended before it answered", NO_ROOT) from None
        if not isinstance(reply, Answer):
            raise Failure("the root answered something else; do both run the same release?")
        return reply

    def _ask(self, request: OperatorRequest, timeout: float) -> OperatorReply:
        frame = self.ask(
            endpoint(self.entry.runtime_dir, "root", "operator"),
            OPERATOR_REQUEST.encode(request),
            timeout=timeout,
            max_bytes=OPERATOR_REPLY.max_bytes,
        )
        return OPERATOR_REPLY.decode(frame)[1]


def reach(state_dir: Path | None) -> Operator:
    """Find the running root. Raises NoRoot, SeveralRoots."""
    return Operator(find_root(state_dir), surroundings().ask)


def perform(
    operator: Operator, verb: Verb, names: Sequence[str], *, everything: bool, wait: bool, timeout: float
) -> None:
    """Ask for a change and tell the operator how it went. Raises Failure when it did not go well."""
    wish = AskChange(
        request=secrets.token_hex(8), verb=verb, names=tuple(names), everything=everything, wait=wait
    )
    answer = operator.change(wish, timeout)
    for outcome in answer.outcomes:
        said = outcome.detail or (_PAST[verb] if outcome.ok and wait else "asked" if outcome.ok else "failed")
        click.echo(f"{outcome.child}: {said}", err=not outcome.ok)
    if not answer.ok:
        failed = ", ".join(outcome.child for outcome in answer.outcomes if not outcome.ok)
        raise Failure(answer.message or f"{verb} failed: {failed}", answer.code or FAILED)
    if answer.message:
        click.echo(answer.message)


def is_running(state_dir: Path | None) -> bool:
    """Whether a root runs there."""
    try:
        find_root(state_dir)
    except NoRoot:
        return False
    return True
