"""One HTTP GET over asyncio streams, taken apart by h11.

A whole client library costs 7 MiB of each feed, which asks a dozen short questions an hour.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

import h11

from workers.feed.live.network import Response, Unreachable

TIMEOUT_S: Final = 10.0
LONGEST_BODY: Final = 16 * 1024 * 1024
PIECE: Final = 64 * 1024
AGENT: Final = b"supervisor-tree"


async def get(url: str, tls: ssl.SSLContext | None) -> Response:
    """Ask for ``url``; redirects are not followed. Raises Unreachable, OSError or TimeoutError."""
    parts = urlsplit(url)
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or (443 if tls else 80), ssl=tls
        )
        try:
            writer.write(_question(parts))
            await writer.drain()
            return await _response(reader)
        except h11.RemoteProtocolError as error:
            raise Unreachable(f"the answer is not HTTP: {error}") from error
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 1.0)


def _question(parts: SplitResult) -> bytes:
    # One request a connection: they are minutes apart.
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [
        (b"host", parts.netloc.encode()),
        (b"user-agent", AGENT),
        (b"accept", b"application/json"),
        (b"connection", b"close"),
    ]
    request = h11.Request(method="GET", target=target, headers=headers)
    return h11.Connection(h11.CLIENT).send(request) or b""


async def _response(reader: asyncio.StreamReader) -> Response:
    connection, body = _expecting(), bytearray()
    status, retry_after_s = 0, None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(PIECE))
        elif isinstance(event, h11.Response):
            status, retry_after_s = event.status_code, _retry_after(event)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > LONGEST_BODY:
                raise Unreachable(f"the answer is longer than {LONGEST_BODY >> 20} MiB")
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return Response(status, bytes(body), retry_after_s)


def _expecting() -> h11.Connection:
    """Return a connection that has asked and now listens."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[(b"host", b"-")]))
    connection.send(h11.EndOfMessage())
    return connection


def _retry_after(response: h11.Response) -> float | None:
    found = dict(response.headers).get(b"retry-after")
    if found is None:
        return None
    text = found.decode("ascii", "replace").strip()
    try:
        return max(float(text), 0.0) if text.replace(".", "", 1).isdigit() else _until(text)
    except (ValueError, OverflowError):
        return None


def _until(date: str) -> float:
    return max(parsedate_to_datetime(date).timestamp() - time.time(), 0.0)
