"""The root's end of the control conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from protocol.codec import FROM_CHILD, TO_CHILD
from protocol.errors import FrameError
from protocol.messages.control import Beat, Done, DoneNoted, Ready
from protocol.transport.port import Router, Transport
from supervisor.link.noise import Noise

MAX_FRAME = 64 * 1024


class Listener(Protocol):
    """Who is told what children say."""

    def child_ready(self, child: str, incarnation: int) -> None:
        """It serves."""
        ...

    def child_beat(self, child: str, incarnation: int, beat: Beat) -> None:
        """It makes progress."""
        ...

    def child_done(self, child: str, incarnation: int, done: Done) -> None:
        """It has finished all its work. May be said several times."""
        ...


class ChildDesk:
    """Hears the children. What does not come from the living incarnation of a child changes nothing."""

    def __init__(
        self,
        transport: Transport,
        endpoint: str,
        listener: Listener,
        incarnation: Callable[[str], int | None],
        noise: Noise,
    ) -> None:
        self._listener = listener
        self._incarnation = incarnation
        self._noise = noise
        self._router: Router = transport.router(endpoint, self._heard, max_bytes=MAX_FRAME)

    def _heard(self, identity: bytes, frame: bytes) -> None:
        try:
            envelope, message = FROM_CHILD.decode(frame)
        except FrameError as error:
            self._noise.count("control", type(error).__name__, str(error))
            return
        child, incarnation = envelope.stream, envelope.seq
        if self._incarnation(child) != incarnation:
            self._noise.count("control", "Stranger", f"{child!r} incarnation {incarnation} is not alive")
            return
        match message:
            case Ready():
                self._listener.child_ready(child, incarnation)
            case Beat():
                self._listener.child_beat(child, incarnation, message)
            case Done():
                self._listener.child_done(child, incarnation, message)
                self._router.send(identity, TO_CHILD.encode(DoneNoted(), stream=child, seq=incarnation))
