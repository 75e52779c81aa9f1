"""The outside world as the live feed sees it: a port. ``internet`` is the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class Unreachable(Exception):
    """The other side cannot be reached, or went away; the sentence says how."""


@dataclass(frozen=True)
class Response:
    """An HTTP answer."""

    status: int
    body: bytes
    retry_after_s: float | None = None


class Connection(Protocol):
    """An open WebSocket."""

    def frames(self) -> AsyncIterator[str | bytes]:
        """Yield what comes until the connection ends, which raises Unreachable."""
        ...

    async def say(self, text: str) -> None:
        """Send a text frame. Raises Unreachable."""
        ...

    async def ping(self, ponged: Callable[[], None]) -> None:
        """Send a ping; ``ponged`` is called when it is answered. Raises Unreachable."""
        ...


class Network(Protocol):
    """How to reach others. Every wait in it is bounded."""

    def connect(self, url: str) -> AbstractAsyncContextManager[Connection]:
        """Open a WebSocket; it is closed at the end of the block. Raises Unreachable."""
        ...

    def get(self, url: str) -> Awaitable[Response]:
        """Ask by HTTP. Raises Unreachable."""
        ...
