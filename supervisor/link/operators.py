"""The root's end of the conversation with operators."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from protocol.codec import OPERATOR_REPLY, OPERATOR_REQUEST
from protocol.errors import FrameError
from protocol.messages.operator import (
    Answer,
    AskChange,
    AskReload,
    AskStatus,
    OperatorReply,
    Outcome,
    StatusIs,
)
from protocol.transport.port import Router, Transport
from supervisor.engine import events
from supervisor.engine.commands import Reply
from supervisor.link.noise import Noise
from supervisor.link.requests import Requests

MAX_FRAME = 256 * 1024
ROOT = "root"
A = TypeVar("A", AskChange, AskReload)
_Asked = type[events.StartAsked] | type[events.StopAsked] | type[events.RestartAsked]
_ASKED: dict[str, _Asked] = {
    "start": events.StartAsked,
    "stop": events.StopAsked,
    "restart": events.RestartAsked,
}


class Tree(Protocol):
    """What the desk needs of the tree."""

    def status(self) -> dict[str, Any]:
        """The object of ``supervisor status --json``."""
        ...

    def ids(self) -> Sequence[str]:
        """The ids of all children."""
        ...

    def top_ids(self) -> Sequence[str]:
        """The ids of the root's own children."""
        ...

    def tell(self, event: events.Event) -> None:
        """Give the engine an event."""
        ...

    def reload(self, request: str) -> None:
        """Read the tree file again; ends in :meth:`OperatorDesk.replied`."""
        ...


class OperatorDesk:
    """Answers operators. Status is answered at once, whatever else is under way."""

    def __init__(self, transport: Transport, endpoint: str, tree: Tree, noise: Noise) -> None:
        self._tree = tree
        self._noise = noise
        self._requests = Requests()
        self._router: Router = transport.router(endpoint, self._heard, max_bytes=MAX_FRAME)

    def replied(self, reply: Reply) -> None:
        """The engine says what became of one child's request."""
        self.settle(reply.request, ok=reply.ok, detail=reply.detail)

    def settle(self, request_of_child: str, *, ok: bool, detail: str, code: int = 1) -> None:
        """Note what became of one child's request; ``code`` is the exit status if it failed."""
        request, _, child = request_of_child.partition("\x00")
        done = self._requests.outcome(request, Outcome(child=child, ok=ok, detail=detail, code=code))
        if done is not None:
            answer, askers = done
            for asker in askers:
                self._send(asker, answer)

    def _heard(self, identity: bytes, frame: bytes) -> None:
        try:
            _, message = OPERATOR_REQUEST.decode(frame)
        except FrameError as error:
            self._noise.count("operator", type(error).__name__, str(error))
            return
        match message:
            case AskStatus(request):
                self._send(identity, StatusIs(request, self._tree.status()))
            case AskChange():
                self._once(identity, message, self._change)
            case AskReload():
                self._once(identity, message, self._reload)

    def _once(self, identity: bytes, ask: A, begin: Callable[[bytes, A], None]) -> None:
        known = self._requests.known(ask.request, identity)
        if isinstance(known, Answer):
            self._send(identity, known)
        elif not known:
            begin(identity, ask)

    def _reload(self, identity: bytes, ask: AskReload) -> None:
        self._requests.begin(ask.request, (ROOT,), identity)
        self._tree.reload(f"{ask.request}\x00{ROOT}")

    def _change(self, identity: bytes, ask: AskChange) -> None:
        if ask.everything and ask.verb == "stop":
            self._answer(identity, Answer(request=ask.request, ok=True, message="stopping"))
            self._tree.tell(events.ShutdownAsked(by="operator"))
            return
        # A group takes its members along: asked besides, they would be asked twice.
        names = tuple(dict.fromkeys(self._tree.top_ids() if ask.everything else ask.names))
        unknown = self._unknown(names)
        if unknown is not None:
            self._answer(identity, Answer(request=ask.request, ok=False, code=2, message=unknown))
            return
        if ask.wait:
            self._requests.begin(ask.request, names, identity)
        else:
            self._answer(identity, Answer(request=ask.request, ok=True, message="asked"))
        for name in names:
            self._tree.tell(_ASKED[ask.verb](name, f"{ask.request}\x00{name}"))

    def _unknown(self, names: Sequence[str]) -> str | None:
        ids = self._tree.ids()
        for name in names:
            if name not in ids:
                near = difflib.get_close_matches(name, ids, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                return f"there is no child {name!r}{hint} The children are: {', '.join(ids)}"
        return None if names else "no child was named"

    def _answer(self, identity: bytes, answer: Answer) -> None:
        self._send(identity, self._requests.answered(answer))

    def _send(self, identity: bytes, reply: OperatorReply) -> None:
        self._router.send(identity, OPERATOR_REPLY.encode(reply))
