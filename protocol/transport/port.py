"""The port to the sockets: real ones and the simulated network look the same from above.

Handlers run on the loop's thread, never from within a call of the transport, so that a handler may send
and close. Sending never blocks. Nothing here is reliable: frames may be lost at every crossing, and the
halves of the reliable stream, or a repeated question, make up for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

RouterHandler = Callable[[bytes, bytes], None]
"""Takes the peer's identity and a frame."""

FrameHandler = Callable[[bytes], None]
"""Takes a frame."""


class Closable(Protocol):
    """A socket."""

    def close(self) -> None:
        """Close it; no handler of it runs afterwards. Harmless when repeated."""
        ...


class Router(Closable, Protocol):
    """A bound socket that answers many peers."""

    def send(self, identity: bytes, frame: bytes) -> bool:
        """Send to one peer; False when it could not be queued. A peer that is gone is no error."""
        ...


class Dealer(Closable, Protocol):
    """A connected socket that asks one router."""

    def send(self, frame: bytes) -> bool:
        """Send, or queue until the router is there; False when the queue is full."""
        ...


class Outlet(Closable, Protocol):
    """A bound socket that tells everybody who listens."""

    def send(self, frame: bytes) -> None:
        """Send to all listeners; a listener that is too slow misses it."""
        ...


class Transport(Protocol):
    """Makes sockets. ``endpoint`` is what :func:`protocol.places.endpoint` made.

    Frames above ``max_bytes`` never reach the handler. All calls raise EndpointUnusable when the
    endpoint cannot be used.
    """

    def router(self, endpoint: str, handler: RouterHandler, *, max_bytes: int) -> Router:
        """Bind a router; takes the place of a dead one's socket file."""
        ...

    def dealer(
        self, endpoint: str, handler: FrameHandler, *, identity: bytes | None = None, max_bytes: int
    ) -> Dealer:
        """Connect to a router that may not be there yet.

        A newer dealer of one identity takes the place of the older one.
        """
        ...

    def publisher(self, endpoint: str) -> Outlet:
        """Bind an outlet; takes the place of a dead one's socket file."""
        ...

    def subscriber(self, endpoint: str, handler: FrameHandler, *, max_bytes: int) -> Closable:
        """Listen to an outlet that may not be there yet. What it says before that is missed."""
        ...

    def close(self) -> None:
        """Close all sockets, waiting shortly for what was sent to leave. Harmless when repeated."""
        ...
