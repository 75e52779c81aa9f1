"""An evaluation service on the loopback that answers as it is told: as the script says, then the last of
it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

NEVER = b""
HANGS_UP = b"\x00"
GARBAGE = b"\x00\xff not http at all\r\n\r\n"


def reply(status: int, body: Any) -> bytes:
    """Return a reply with a JSON body, or with the bytes given."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


class FakeService:
    """``script`` holds the replies to come; the last one stays. ``asked`` are the questions, ``heads`` the
    heads of the requests."""

    def __init__(self, *script: bytes) -> None:
        self.script = list(script)
        self.asked: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                await self._one(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().split("content-length:")[1].split("\r\n")[0])
        self.heads.append(head)
        self.asked.append(json.loads(await reader.readexactly(length)))
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if said == NEVER:
            await reader.readexactly(1)
        if said == HANGS_UP:
            raise ConnectionResetError
        writer.write(said)
        await writer.drain()


@asynccontextmanager
async def serving(*script: bytes) -> AsyncIterator[FakeService]:
    """Run a service while the block lasts."""
    fake = FakeService(*script)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/strategy/evaluate"
    try:
        yield fake
    finally:
        server.close()
