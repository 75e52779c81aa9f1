"""The real network: websockets, and ``http``. Imported only where an exchange is listened to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from workers.feed.live import http
from workers.feed.live.memory import trim
from workers.feed.live.network import Response, Unreachable

OPEN_S: Final = 10.0
CLOSE_S: Final = 1.0
LONGEST_FRAME: Final = 4 * 1024 * 1024
# What may go wrong on the way to another machine, from the name to the first answer.
TROUBLES: Final = (
    OSError,
    TimeoutError,
    InvalidHandshake,
    InvalidURI,
    ConnectionClosed,
    EOFError,
    ValueError,
)


class Wire:
    """One WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Yield what comes. Raises Unreachable at the end."""
        try:
            while True:
                yield await self._connection.recv()
        except ConnectionClosed as closed:
            raise Unreachable(_closed(closed)) from closed

    async def say(self, text: str) -> None:
        """Send a text frame."""
        try:
            await self._connection.send(text)
        except ConnectionClosed as closed:
            raise Unreachable(_closed(closed)) from closed

    async def ping(self, ponged: Callable[[], None]) -> None:
        """Send a ping of the protocol."""
        try:
            pong = await self._connection.ping()
        except ConnectionClosed as closed:
            raise Unreachable(_closed(closed)) from closed

        def on_end(waiter: asyncio.Future[float]) -> None:
            if not waiter.cancelled() and waiter.exception() is None:
                ponged()

        asyncio.ensure_future(pong).add_done_callback(on_end)


class Internet:
    """Sockets of this machine. TLS certificates are always verified."""

    def __init__(self) -> None:
        self._tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Wire]:
        """Open a WebSocket."""
        connection = await self._opened(url)
        try:
            yield Wire(connection)
        finally:
            # A peer that does not answer must not hold anyone up.
            connection.close_timeout = CLOSE_S
            try:
                with contextlib.suppress(ConnectionClosed, OSError, TimeoutError):
                    await connection.close()
            finally:
                # Whoever is cancelled in the middle of the goodbye leaves the socket to nobody.
                connection.transport.abort()
                trim()

    async def get(self, url: str) -> Response:
        """Ask by HTTP."""
        try:
            return await http.get(url, self._context(url))
        except (OSError, TimeoutError) as error:
            raise Unreachable(_trouble(error, url)) from error
        finally:
            trim()

    async def _opened(self, url: str) -> ClientConnection:
        try:
            return await connect(
                url,
                ssl=self._context(url),
                open_timeout=OPEN_S,
                close_timeout=CLOSE_S,
                # The core watches over life and death, by clocks that tests can turn.
                ping_interval=None,
                max_size=LONGEST_FRAME,
                compression=None,
                proxy=None,
            )
        except TROUBLES as error:
            raise Unreachable(_trouble(error, url)) from error
        finally:
            trim()

    def _context(self, url: str) -> ssl.SSLContext | None:
        if urlsplit(url).scheme in ("ws", "http"):
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _trouble(error: BaseException, url: str) -> str:
    host = urlsplit(url).hostname
    match error:
        case socket.gaierror():
            return f"the name {host} does not resolve: {error.strerror}"
        case ssl.SSLCertVerificationError():
            return f"the certificate of {host} is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS with {host} failed: {error.reason}"
        case TimeoutError():
            return f"{host} did not answer in time"
        case InvalidStatus():
            return f"{host} answered {error.response.status_code} instead of opening a WebSocket"
        case OSError():
            found = error.strerror or str(error)
            return f"{host} cannot be reached: {found}" if found else f"{host} broke the connection off"
        case _:
            return f"{host} does not speak WebSocket as it should: {error}"


def _closed(closed: ConnectionClosed) -> str:
    frame = closed.rcvd
    if frame is None:
        return "the connection was cut" if closed.sent is None else f"we closed it: {closed.sent.reason}"
    return f"closed by the exchange with {frame.code} {frame.reason}".rstrip()
