"""A Telegram on the loopback that answers as it is told: 200, 429, 500, garbage, or never."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}'
SERVER_ERROR = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
GARBAGE = b"\x00\xff not http at all\r\n\r\n"
NEVER = b""


def too_many(seconds: str) -> bytes:
    """Return a 429 that asks for a pause."""
    return f"HTTP/1.1 429 Slow\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n".encode()


def json_reply(status: int, body: dict[str, Any]) -> bytes:
    """Return a reply with a JSON body."""
    text = json.dumps(body)
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


class FakeTelegram:
    """``script`` holds the next replies, then all is well. ``taken`` are the texts answered 200."""

    def __init__(self) -> None:
        self.script: deque[bytes] = deque()
        self.paths: list[str] = []
        self.asked: list[tuple[float, str]] = []
        self.taken: list[str] = []
        self.base_url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request a connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().split("content-length:")[1].split("\r\n")[0])
            text = json.loads(await reader.readexactly(length))["text"]
            self.paths.append(head.split(" ")[1])
            self.asked.append((asyncio.get_running_loop().time(), text))
            await self._answer(self.script.popleft() if self.script else OK, text, reader, writer)
        finally:
            writer.close()

    async def _answer(
        self, reply: bytes, text: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if reply == NEVER:
            await reader.read()
            return
        if reply == OK:
            self.taken.append(text)
        writer.write(reply)
        await writer.drain()


@asynccontextmanager
async def telegram_server() -> AsyncIterator[FakeTelegram]:
    """Serve on a free port of the loopback."""
    fake = FakeTelegram()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()
