"""Writes down what an exchange sends: a network that keeps a copy of every frame, and a feed to drive it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from workers.feed.live.core import LiveCore
from workers.feed.live.network import Connection, Network, Response
from workers.feed.live.service import LiveService
from workers.shared.core import LogLine

LONGEST_WAIT_S: Final = 1.0
FLUSH_MS: Final = 5000
"""How much of a recording is lost at most when its process is killed."""


class Tape:
    """A file of frames, one JSON object a line, in order of receipt; compressed if named .gz."""

    def __init__(self, path: Path, wall_ms: Callable[[], int]) -> None:
        self._path = path
        self._file = _opened(path)
        self._wall_ms = wall_ms
        self._flushed_ms = wall_ms()
        self.frames = 0

    def write(self, direction: str, url: str, frame: str | bytes) -> None:
        """Add a frame, with the time of now."""
        text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
        now_ms = self._wall_ms()
        row = {"ts": now_ms / 1000, "direction": direction, "url": url, "frame": text}
        self._file.write(msgspec.json.encode(row) + b"\n")
        self.frames += direction == "in"
        if abs(now_ms - self._flushed_ms) >= FLUSH_MS:
            self._flushed_ms = now_ms
            self._file.flush()

    def close(self) -> None:
        """Write what is left; a file into which no frame came is removed."""
        self._file.close()
        if not self.frames:
            self._path.unlink(missing_ok=True)


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "xb"))
    return path.open("xb")


class Heard:
    """A connection that is written down."""

    def __init__(self, connection: Connection, url: str, tape: Tape) -> None:
        self._connection, self._url, self._tape = connection, url, tape

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Yield what comes, written down first."""
        async for frame in self._connection.frames():
            self._tape.write("in", self._url, frame)
            yield frame

    async def say(self, text: str) -> None:
        """Send a text frame."""
        self._tape.write("out", self._url, text)
        await self._connection.say(text)

    async def ping(self, ponged: Callable[[], None]) -> None:
        """Send a ping."""
        await self._connection.ping(ponged)


class Taped:
    """A network whose connections are written down."""

    def __init__(self, network: Network, tape: Tape) -> None:
        self._network, self._tape = network, tape

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Heard]:
        """Open a WebSocket."""
        async with self._network.connect(url) as connection:
            self._tape.write("open", url, "")
            yield Heard(connection, url, self._tape)

    async def get(self, url: str) -> Response:
        """Ask by HTTP."""
        return await self._network.get(url)


async def record(
    core: LiveCore,
    network: Network,
    rest_base: str,
    *,
    wall_ms: Callable[[], int],
    seconds: float,
    tell: Callable[[LogLine], None],
    over: asyncio.Event,
) -> None:
    """Drive ``core`` for so long, or until ``over`` is set.

    Raises NoData when nothing comes, and what kept a frame from being written.
    """
    woken = asyncio.Event()
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    service = asyncio.ensure_future(LiveService(core, network, rest_base, wall_ms)(woken.set))
    service.add_done_callback(lambda _: woken.set())
    try:
        while (now := loop.time()) < until and not over.is_set():
            if service.done():
                await service
            core.advance(now, wall_ms())
            while (step := core.step()) is not None:
                for line in step.logs:
                    tell(line)
            woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(min((core.deadline or now) - now, LONGEST_WAIT_S), 0.001)):
                    await woken.wait()
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)


def chance() -> float:
    """Return a number in [0, 1)."""
    return random.random()
