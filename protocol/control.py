"""The child's half of the conversation with the root: ready, beats, done. The root need not be there.

Time is an argument and the socket is given, so that the same half serves a worker on its asyncio loop, a
plain loop (:mod:`protocol.child`) and a test in simulated time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, Protocol

from protocol.codec import FROM_CHILD, TO_CHILD
from protocol.errors import FrameError
from protocol.messages.control import Beat, Done, FromChild, Launch, Ready
from protocol.places import endpoint
from protocol.transport.port import Dealer, FrameHandler

ROOT: Final = "root"
DONE_AGAIN_S: Final = 1.0


class Dealers(Protocol):
    """The part of a transport that a child needs to reach its root."""

    def dealer(self, endpoint: str, handler: FrameHandler, *, max_bytes: int) -> Dealer:
        """Connect to a router that may not be there yet. Raises EndpointUnusable."""
        ...


class Control:
    """Speaks as one incarnation of one child."""

    def __init__(
        self,
        launch: Launch,
        *,
        wall_ms: Callable[[], int],
        bad_frame: Callable[[FrameError], None],
    ) -> None:
        self._launch = launch
        self._wall_ms, self._bad_frame = wall_ms, bad_frame
        self._root: Dealer | None = None
        self._beat_at = 0.0
        self._done_at = 0.0
        self._done: Done | None = None
        self._done_noted = False

    def connect(self, transport: Dealers) -> None:
        """Open the way to the root, which need not be there."""
        self._root = transport.dealer(
            endpoint(self._launch.runtime_dir, ROOT, "control"), self._on_frame, max_bytes=TO_CHILD.max_bytes
        )

    def ready(self) -> None:
        """Say that this child serves from now on."""
        self._send(Ready(os.getpid()))

    def report(self, now: float, beat: Callable[[], Beat], done: Done | None) -> None:
        """Send what is due: a beat, and ``done`` until the root has noted it."""
        if self._launch.heartbeat > 0 and now >= self._beat_at:
            self._beat_at = now + self._launch.heartbeat
            self._send(beat())
        self._done = done
        if self._says_done and now >= self._done_at:
            self._done_at = now + DONE_AGAIN_S
            self._send(done)

    @property
    def deadline(self) -> float:
        """When :meth:`report` has something to send."""
        beat_at = self._beat_at if self._launch.heartbeat > 0 else float("inf")
        return min(beat_at, self._done_at) if self._says_done else beat_at

    @property
    def _says_done(self) -> bool:
        return self._done is not None and not self._done_noted

    def _send(self, message: FromChild | None) -> None:
        if self._root is not None and message is not None:
            frame = FROM_CHILD.encode(
                message, stream=self._launch.child, seq=self._launch.incarnation, at_ms=self._wall_ms()
            )
            self._root.send(frame)

    def _on_frame(self, frame: bytes) -> None:
        try:
            envelope, _ = TO_CHILD.decode(frame)
        except FrameError as error:
            self._bad_frame(error)
            return
        # An acknowledgement of an earlier life says nothing about this one.
        if envelope.seq == self._launch.incarnation:
            self._done_noted = True
