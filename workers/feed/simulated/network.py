"""The simulated exchange in the place of the network: frames come when their time has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from workers.feed.live.network import Response
from workers.feed.simulated.exchange import SimulatedExchange

TURN_S: Final = 0.05


class SimulatedConnection:
    """A connection that never breaks. ``wall_ms`` is the market's time."""

    def __init__(self, exchange: SimulatedExchange, wall_ms: Callable[[], int]) -> None:
        self._exchange, self._wall_ms = exchange, wall_ms

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Yield what the market says from now on."""
        told_ms = self._wall_ms()
        while True:
            await asyncio.sleep(TURN_S)
            now_ms = self._wall_ms()
            for frame in self._exchange.frames(told_ms, now_ms):
                yield frame
            told_ms = max(told_ms, now_ms)

    async def say(self, text: str) -> None:
        """Take a subscription; everything is sent anyway."""

    async def ping(self, ponged: Callable[[], None]) -> None:
        """Answer at once."""
        ponged()


class SimulatedNetwork:
    """Where every address leads to the simulated exchange."""

    def __init__(self, exchange: SimulatedExchange, wall_ms: Callable[[], int]) -> None:
        self._exchange, self._wall_ms = exchange, wall_ms

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[SimulatedConnection]:
        """Open a connection."""
        yield SimulatedConnection(self._exchange, self._wall_ms)

    async def get(self, url: str) -> Response:
        """Answer as by HTTP."""
        await asyncio.sleep(0)
        parts = urlsplit(url)
        body = self._exchange.answer(parts.path, dict(parse_qsl(parts.query)), self._wall_ms())
        return Response(404, b"{}") if body is None else Response(200, body.encode())
