"""A worker's way to ask its root: the operator conversation, and what a neighbour's stream is.

Everything here blocks for at most its timeout; on a loop it belongs into a thread.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from protocol.codec import OPERATOR_REPLY, OPERATOR_REQUEST, STREAM_REPLY, STREAM_REQUEST
from protocol.errors import NoAnswer
from protocol.messages.operator import Answer, AskChange, AskStatus, OperatorReply, OperatorRequest, StatusIs
from protocol.messages.stream import Fetch, Role
from protocol.places import endpoint
from protocol.transport.zeromq import ask

TIMEOUT_S: Final = 5.0
Verb = Literal["start", "stop", "restart"]
Ask = Callable[..., bytes]


class Operating:
    """Speaks with the root whose sockets are in ``runtime_dir``."""

    def __init__(self, runtime_dir: str, ask: Ask = ask) -> None:
        self._runtime_dir, self._ask = runtime_dir, ask

    @property
    def there(self) -> bool:
        """Whether there is a door to knock at."""
        return self._door("root", "operator").exists()

    def status(self, timeout: float = TIMEOUT_S) -> dict[str, Any]:
        """Return the object of ``supervisor status --json``. Raises ProtocolError."""
        reply = self._asked(AskStatus(secrets.token_hex(8)), timeout)
        return reply.status if isinstance(reply, StatusIs) else {}

    def change(self, verb: Verb, names: tuple[str, ...], *, everything: bool = False) -> Answer:
        """Have children started, stopped or restarted; returns when that has begun. Raises ProtocolError.

        It is asked twice under one id, so that an answer lost on the way makes nothing happen twice.
        """
        request = secrets.token_hex(8)
        wish = AskChange(request=request, verb=verb, names=names, everything=everything, wait=False)
        try:
            reply = self._asked(wish, TIMEOUT_S)
        except NoAnswer:
            reply = self._asked(wish, TIMEOUT_S)
        if isinstance(reply, Answer):
            return reply
        return Answer(request=request, ok=False, code=1, message="the root answered something else")

    def role(self, child: str, timeout: float = 1.0) -> Role | None:
        """Return what the stream of a child is; None when it has none, or does not say in time."""
        if not self._door(child, "past").exists():
            return None
        question = STREAM_REQUEST.encode(Fetch(after=0, limit=1), stream=child)
        try:
            frame = self._ask(
                endpoint(self._runtime_dir, child, "past"),
                question,
                timeout=timeout,
                max_bytes=STREAM_REPLY.max_bytes,
            )
        except NoAnswer:
            return None
        return STREAM_REPLY.decode(frame)[1].role

    def _door(self, name: str, door: Literal["operator", "past"]) -> Path:
        return Path(endpoint(self._runtime_dir, name, door).removeprefix("ipc://"))

    def _asked(self, request: OperatorRequest, timeout: float) -> OperatorReply:
        frame = self._ask(
            endpoint(self._runtime_dir, "root", "operator"),
            OPERATOR_REQUEST.encode(request),
            timeout=timeout,
            max_bytes=OPERATOR_REPLY.max_bytes,
        )
        return OPERATOR_REPLY.decode(frame)[1]
