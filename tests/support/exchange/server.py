"""The local exchange as a server: one port for WebSocket and HTTP, in the loop of who starts it."""

from __future__ import annotations

import asyncio
import contextlib
import http
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.support.exchange.capture import Frame
from tests.support.exchange.faults import Faults, Pairs, Shuffle, is_candle, spoiled

Script = Callable[[str], AsyncIterator[Frame]]
"""What a connection of this path gets, after it has said something; each frame when its time has come."""
Rest = Callable[[str, Mapping[str, str]], str | None]
"""The body for a path and its query; None: 404."""
Reply = Callable[[str], str | None]
"""What is answered to a frame of the client."""


def now_ms() -> int:
    """Return UTC milliseconds."""
    return time.time_ns() // 1_000_000


def no_reply(_frame: str) -> str | None:
    """Answer nothing."""
    return None


HERE = Path(__file__).parent
TRUSTED = HERE / "trusted.pem"
"""The certificate of a server with ``tls``: whoever is to trust it finds it under SSL_CERT_FILE."""


@dataclass
class LocalExchange:
    """A running server. ``faults`` may be changed at any time. ``tls``: it is reached by its name only.

    ``wall_ms`` is its clock when that is not skewed.
    """

    script: Script
    rest: Rest = lambda _path, _query: None
    reply: Reply = no_reply
    faults: Faults = field(default_factory=Faults)
    heard: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    connections: int = 0
    served: int = 0
    standing: set[ServerConnection] = field(default_factory=set)
    port: int = 0
    tls: bool = False
    wall_ms: Callable[[], int] = now_ms
    _server: Server | None = None

    @property
    def ws_url(self) -> str:
        """The address for the feed's ``ws_url``."""
        return f"wss://localhost:{self.port}" if self.tls else f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        """The address for the feed's ``rest_url``."""
        return f"https://localhost:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"

    @property
    def clock_ms(self) -> int:
        """What the exchange's clock says: UTC milliseconds, and the skew of the moment."""
        return self.wall_ms() + self.faults.skew_ms

    def cut(self) -> None:
        """Break off all connections, without a word."""
        for connection in tuple(self.standing):
            connection.transport.abort()

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self._server = await serve(
            self._on_connection,
            "127.0.0.1",
            self.port,
            process_request=self._on_request,
            ping_interval=None,
            close_timeout=0.1,
            compression=None,
            ssl=self._context() if self.tls else None,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        self.cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _context(self) -> ssl.SSLContext:
        trusted, untrusted = _certified(TRUSTED), _certified(HERE / "untrusted.pem")

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            if self.faults.untrusted:
                connection.context = untrusted

        trusted.sni_callback = choose
        return trusted

    def _on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            if self.faults.refuse:
                connection.transport.abort()
            return None
        self.asked.append(request.path)
        parts = urlsplit(request.path)
        body = self.rest(parts.path, dict(parse_qsl(parts.query)))
        status = self.faults.status if body is not None or self.faults.status != 200 else 404
        headers = Headers({"Content-Type": "application/json", "Connection": "close"})
        if self.faults.retry_after is not None:
            headers["Retry-After"] = self.faults.retry_after
        content = (body or "{}").encode()
        headers["Content-Length"] = str(len(content))
        return Response(status, http.HTTPStatus(status).phrase, headers, content)

    async def _on_connection(self, connection: ServerConnection) -> None:
        self.connections += 1
        self.standing.add(connection)
        hello = asyncio.Event()
        player = asyncio.create_task(self._play_after(connection, hello))
        try:
            # A script may wait for ever; it ends with its connection.
            await self._listen(connection, hello)
        finally:
            player.cancel()
            await asyncio.gather(player, return_exceptions=True)
            self.standing.discard(connection)

    async def _play_after(self, connection: ServerConnection, hello: asyncio.Event) -> None:
        await hello.wait()
        with contextlib.suppress(ConnectionClosed):
            await self._play(connection)

    async def _listen(self, connection: ServerConnection, hello: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in connection:
                text = frame if isinstance(frame, str) else frame.decode()
                self.heard.append(text)
                answer = self.reply(text)
                if answer is not None and (self.faults.pong or "ping" not in text):
                    await connection.send(answer)
                hello.set()

    async def _play(self, connection: ServerConnection) -> None:
        path = connection.request.path if connection.request is not None else ""
        sent, shuffle, pairs = 0, Shuffle(), Pairs()
        async for frame in self.script(path):
            faults = self.faults
            if faults.shut:
                connection.transport.abort()
            # Whoever reads nothing is not told that the other side has gone.
            if connection.transport.is_closing():
                return
            if faults.deaf:
                connection.transport.pause_reading()
            else:
                # Whoever left in the meantime is seen to be gone now.
                connection.transport.resume_reading()
            if faults.silence != "no":
                await asyncio.Event().wait()
            if faults.candleless and is_candle(frame):
                continue
            for one in pairs.joined(frame, faults):
                for other in shuffle.turned(one, faults):
                    for spoilt in spoiled(other, sent, faults):
                        await self._send(connection, spoilt, faults)
            sent += 1
            self.served += 1
            if faults.shutdown_after == sent:
                await connection.send('{"e":"serverShutdown","E":1}')
            if faults.cut_after is not None and sent >= faults.cut_after:
                connection.transport.abort()
                return
            # Otherwise a quick script would never let the listener in.
            await asyncio.sleep(0)

    async def _send(self, connection: ServerConnection, frame: Frame, faults: Faults) -> None:
        if faults.slow_s:
            await asyncio.sleep(faults.slow_s)
        if faults.late_close_s and _closes(frame):
            asyncio.get_running_loop().call_later(
                faults.late_close_s, lambda: asyncio.ensure_future(_quietly(connection, frame.text))
            )
            return
        await connection.send(frame.text)


def _closes(frame: Frame) -> bool:
    text = frame.text.replace(" ", "")
    return is_candle(frame) and ('"x":true' in text or '"confirm":true' in text)


def _certified(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def _quietly(connection: ServerConnection, text: str) -> None:
    with contextlib.suppress(ConnectionClosed):
        await connection.send(text)


@asynccontextmanager
async def running(exchange: LocalExchange) -> AsyncIterator[LocalExchange]:
    """Have it serve for the length of a block."""
    await exchange.start()
    try:
        yield exchange
    finally:
        await exchange.stop()
