"""ccxt in the place of the network. Every call is bounded; a client that stalls is thrown away whole.

Whether data still come is judged by the live core's clocks, as for any exchange: 20 s without any drop the
connection, and with it the client and its receive loop, which may have died without a word; 30 s end the
process as ``stale``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from workers.feed.live.network import Response, Unreachable
from workers.feed.through_ccxt.library import TICK_SIZE, Client, Library, NotListed, guard

CALL_S: Final = 15.0
"""How long one question may take."""
CLOSE_S: Final = 2.0
MOST_WAITING: Final = 1000


class CcxtConnection:
    """A client that is watched in the market ``known``."""

    def __init__(self, client: Client, known: dict[str, Any], watches: Sequence[str]) -> None:
        self._client, self._symbol, self._watches = client, known["symbol"], watches
        self._size = str(known.get("contractSize") or 1)
        self._queue: asyncio.Queue[bytes | Unreachable] = asyncio.Queue(MOST_WAITING)
        guard(client, self._on_bad)

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Yield what the library tells, as JSON."""
        tasks = [asyncio.create_task(self._watch(name)) for name in self._watches]
        try:
            while True:
                found = await self._queue.get()
                if isinstance(found, Unreachable):
                    raise found
                yield found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def say(self, text: str) -> None:
        """Say nothing: the library subscribes by itself."""

    async def ping(self, ponged: Callable[[], None]) -> None:
        """Count as answered: the library pings by itself, and what counts is data."""
        ponged()

    def _on_bad(self, error: Exception) -> None:
        if not self._queue.full():
            self._queue.put_nowait(_encoded({"bad": f"{type(error).__name__}: {error}"[:200]}))

    async def _watch(self, name: str) -> None:
        while True:
            try:
                found = await self._watched(name)
            except Exception as error:  # noqa: BLE001 - a hundred exchanges, each with errors of its own
                await self._queue.put(_unreachable(error))
                return
            for frame in found:
                await self._queue.put(_encoded({**frame, "size": self._size}))

    async def _watched(self, name: str) -> list[dict[str, Any]]:
        if name == "watchTrades":
            # One by one: what is wrong with one says nothing of the others.
            return [{"trade": _plain(row)} for row in await self._client.watch_trades(self._symbol)]
        if name == "watchTicker":
            return [{"ticker": _plain(await self._client.watch_ticker(self._symbol))}]
        found = _plain(await self._client.watch_bids_asks([self._symbol]))
        # Some tell of all markets at once.
        return [{"ticker": found.get(self._symbol, {}) if isinstance(found, dict) else found}]


class CcxtNetwork:
    """Where every address leads to the library. Of the markets it remembers the one that is asked for.

    A client that knew all of them would take a second of the processor at each connection. A question may
    take ``call_s``, to close a client ``close_s``.
    """

    def __init__(self, library: Library, call_s: float = CALL_S, close_s: float = CLOSE_S) -> None:
        self._library, self._call_s, self._close_s = library, call_s, close_s
        self._known: dict[str, dict[str, Any]] = {}
        self._loading = asyncio.Lock()

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[CcxtConnection]:
        """Make a client for one connection. Raises Unreachable."""
        parts = urlsplit(url)
        async with self._client() as client:
            try:
                known = await self._market(client, unquote(parts.path).strip("/"))
            except NotListed as error:
                raise Unreachable(f"ccxt: {error}") from error
            yield CcxtConnection(client, known, parts.query.split("&"))

    async def get(self, url: str) -> Response:
        """Ask; a refusal because of too many questions becomes its HTTP status. Raises Unreachable."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        async with self._client() as client:
            try:
                return Response(200, _encoded(await self._answer(client, parts.path, query)))
            except NotListed:
                return Response(200, _encoded({"unknown": query["symbol"]}))
            except Unreachable as error:
                refusal = self._library.refusal(error.__cause__, client)
                if refusal is None:
                    raise
                return refusal

    async def _answer(self, client: Client, path: str, query: dict[str, str]) -> Any:
        if path == "/time":
            return await self._called(client.fetch_time())
        known = await self._market(client, query["symbol"])
        if path == "/market":
            return _grids(known, client)
        since, limit = int(query["since"]), int(query["limit"])
        if path == "/fundings":
            rows = await self._called(client.fetch_funding_rate_history(known["symbol"], since, limit))
        else:
            rows = await self._called(client.fetch_ohlcv(known["symbol"], query["timeframe"], since, limit))
        return _plain(rows)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        client = self._library.client()
        try:
            yield client
        finally:
            # A library that does not let go must not hold anyone up.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(), self._close_s)

    async def _market(self, client: Client, symbol: str) -> dict[str, Any]:
        async with self._loading:
            if symbol not in self._known:
                await self._called(client.load_markets())
                self._known[symbol] = self._library.market(client, symbol)
        known = self._known[symbol]
        client.set_markets({known["symbol"]: known})
        return known

    async def _called(self, call: Awaitable[Any]) -> Any:
        try:
            return await asyncio.wait_for(call, self._call_s)
        except TimeoutError as error:
            raise Unreachable(f"ccxt did not answer within {self._call_s:g} s") from error
        except Exception as error:
            raise _unreachable(error) from error


def _grids(known: dict[str, Any], client: Client) -> Any:
    wanted = ("precision", "limits", "contract", "contractSize", "inverse")
    return {
        **{key: _plain(known.get(key)) for key in wanted},
        "steps": client.precisionMode == TICK_SIZE,
    }


def _plain(found: Any) -> Any:
    # The library's own lists and dictionaries with a memory are subclasses, which the encoder refuses.
    if isinstance(found, dict):
        return {str(key): _plain(inner) for key, inner in found.items()}
    return [_plain(inner) for inner in found] if isinstance(found, list | tuple) else found


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        return msgspec.json.encode({"bad": f"what ccxt returned is no data: {type(error).__name__}"})


def _unreachable(error: Exception) -> Unreachable:
    return Unreachable(f"ccxt: {type(error).__name__}: {error}"[:200])
