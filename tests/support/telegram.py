"""A Bot API server on the loopback that answers as it is told, well or badly, in a thread of its own.

What it *takes* it has delivered: a message that it refuses, drops or leaves hanging is not taken, except for
``LOST``, where the answer alone is lost.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

LONGEST_POLL_S: Final = 0.05
"""A long poll is answered after this, however long the client would wait."""
FUTURE: Final = 10
"""An offset that is further ahead is of another numbering."""
NO_LINGER: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Reply:
    """How a request is answered. ``takes``: the message counts as delivered.

    ``body`` None: no answer at all; the connection is then reset, or (``hangs``) kept open for ever.
    """

    status: int = 200
    body: bytes | None = b""
    takes: bool = False
    hangs: bool = False
    after_s: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()


def said(status: int, **answer: Any) -> Reply:
    """An answer in JSON, as Telegram gives it."""
    return Reply(status, json.dumps(answer).encode(), takes=bool(answer.get("ok")))


def refusal(status: int, description: str, **parameters: Any) -> Reply:
    """A no of Telegram's."""
    return said(status, ok=False, error_code=status, description=description, parameters=parameters)


def too_many(seconds: float) -> Reply:
    """A 429 that asks for a pause."""
    return refusal(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


OK: Final = said(200, ok=True, result={"message_id": 1})
SLOW: Final = Reply(200, OK.body, takes=True, after_s=0.03)
BAD_GATEWAY: Final = Reply(502, b"<html>502 Bad Gateway</html>")
UNAUTHORIZED: Final = refusal(401, "Unauthorized")
CONFLICT: Final = refusal(409, "Conflict: terminated by other getUpdates request")
BAD_JSON: Final = Reply(200, b'{"ok": tru')
RESET: Final = Reply(body=None)
HANG: Final = Reply(body=None, hangs=True)
LOST: Final = Reply(body=None, takes=True)
NOT_HTTP: Final = Reply(0, b"\x00\xff not http at all\r\n\r\n")


@dataclass(frozen=True)
class Taken:
    """A message that was delivered. ``at`` is monotonic."""

    chat: str
    text: str
    at: float
    silent: bool


@dataclass
class FakeTelegram:
    """``script`` holds the next answers to messages, ``polls`` those to long polls; then ``usual``."""

    script: deque[Reply] = field(default_factory=deque)
    polls: deque[Reply] = field(default_factory=deque)
    usual: Callable[[], Reply] = lambda: OK
    taken: list[Taken] = field(default_factory=list)
    asked: list[tuple[float, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    polled: list[dict[str, Any]] = field(default_factory=list)
    base_url: str = ""
    _updates: list[dict[str, Any]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The texts that were delivered, the oldest first."""
        return [one.text for one in self.taken]

    def say(self, text: str, *, chat: int = 42, at_s: float | None = None) -> int:
        """Have somebody write to the bot; returns the number of the update."""
        number = 100 + len(self._updates)
        message = {
            "message_id": number,
            "date": int(time.time() if at_s is None else at_s),
            "chat": {"id": chat, "type": "private"},
            "from": {"id": chat, "first_name": "x"},
            "text": text,
        }
        self._updates.append({"update_id": number, "message": message})
        return number

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = (
                    int(head.lower().split("content-length:")[1].split("\r\n")[0]) if "ength:" in head else 0
                )
                body = json.loads(await reader.readexactly(length) or b"{}")
                path = head.split(" ")[1]
                self.paths.append(path)
                if not await self._answer(path.rpartition("/")[2], body, reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client has gone
        finally:
            writer.transport.abort()

    async def _answer(
        self, method: str, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        reply = await self._reply(method, body)
        if reply.after_s:
            await asyncio.sleep(reply.after_s)
        if reply.takes and method == "sendMessage":
            silent = bool(body.get("disable_notification"))
            self.taken.append(Taken(str(body["chat_id"]), body["text"], time.monotonic(), silent))
        if reply.body is None:
            if reply.hangs:
                await reader.read()
            else:
                found = writer.get_extra_info("socket")
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            return False
        writer.write(_bytes(reply))
        await writer.drain()
        if not reply.status:
            writer.close()
            await writer.wait_closed()
        return reply.status > 0

    async def _reply(self, method: str, body: dict[str, Any]) -> Reply:
        match method:
            case "sendMessage":
                self.asked.append((time.monotonic(), body["text"]))
                return self.script.popleft() if self.script else self.usual()
            case "getUpdates":
                self.polled.append(body)
                return self.polls.popleft() if self.polls else await self._poll(body)
            case _:
                return said(200, ok=True, result={"id": 1, "is_bot": True, "username": "fake_bot"})

    async def _poll(self, body: dict[str, Any]) -> Reply:
        ends = time.monotonic() + min(float(body.get("timeout", 0)), LONGEST_POLL_S)
        offset = int(body.get("offset", 0))
        if offset > 100 + len(self._updates) + FUTURE:
            offset = 0  # as the real server does: it begins at the first one that it has
        while True:
            found = [one for one in self._updates if one["update_id"] >= offset]
            if found or time.monotonic() >= ends:
                return said(200, ok=True, result=found)
            await asyncio.sleep(0.005)


def _bytes(reply: Reply) -> bytes:
    body = reply.body or b""
    if not reply.status:
        return body
    headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
    return f"HTTP/1.1 {reply.status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@contextmanager
def telegram_server() -> Iterator[FakeTelegram]:
    """Serve on a free port of the loopback until the block ends."""
    fake = FakeTelegram()
    there, loop = threading.Event(), asyncio.new_event_loop()
    serving: asyncio.Task[Any] | None = None

    async def run() -> None:
        connections: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = loop.create_task(fake.serve(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        fake.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        there.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for task in tuple(connections):
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)
            await asyncio.sleep(0)  # what was aborted is closed in the next turn of the loop

    async def main() -> None:
        nonlocal serving
        serving = asyncio.current_task()
        with suppress(asyncio.CancelledError):
            await run()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), name="fake telegram")
    thread.start()
    try:
        there.wait()
        yield fake
    finally:
        if serving is not None:
            loop.call_soon_threadsafe(serving.cancel)
        thread.join()
        loop.close()
