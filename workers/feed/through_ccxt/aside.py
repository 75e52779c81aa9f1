"""A network on an event loop of its own, in a thread: what takes it long holds nobody up here.

The list of an exchange's markets alone keeps ccxt busy for a second or more.

    our loop                         the thread's loop
    connect, frames <--- _Pipe ------ one task: connect and frames of the network within
    get <--------------- a future --- get of the network within
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from workers.feed.live.network import Network, Response, Unreachable

LONGEST_S: Final = 20.0
"""A call that has not come back by then never will; those within are bounded more tightly."""
CLOSE_S: Final = 3.0
MOST_WAITING: Final = 1000


class Aside:
    """Runs ``within`` in a thread, which is begun when it is first needed and ends with the process.

    What is asked of it may take ``longest_s``.
    """

    def __init__(self, within: Network, longest_s: float = LONGEST_S) -> None:
        self._within, self._longest_s = within, longest_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    async def get(self, url: str) -> Response:
        """Ask. Raises Unreachable."""
        asked = asyncio.run_coroutine_threadsafe(self._get(url), self._running())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(asked), self._longest_s)
        except TimeoutError:
            raise Unreachable(f"no answer within {self._longest_s:g} s") from None

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[_Pipe]:
        """Open a connection; it is closed at the end of the block. Raises Unreachable."""
        pipe = _Pipe(asyncio.get_running_loop(), self._running())
        pipe.begin(self._serve(url, pipe))
        try:
            await pipe.opened(self._longest_s)
            yield pipe
        finally:
            await pipe.end()

    def close(self) -> None:
        """End what is under way, and the thread. Where a library hangs in its own code, this waits for it."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(_end_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    async def _get(self, url: str) -> Response:
        return await self._within.get(url)

    async def _serve(self, url: str, pipe: _Pipe) -> None:
        async with self._within.connect(url) as connection:
            await pipe.put(None)
            async for frame in connection.frames():
                await pipe.put(frame)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            # A library that hangs must not keep the process from ending.
            self._thread = threading.Thread(target=self._loop.run_forever, name="aside", daemon=True)
            self._thread.start()
        return self._loop


async def _end_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Pipe:
    """What goes from one loop to the other: None when the connection stands, frames, and how it ended."""

    def __init__(self, here: asyncio.AbstractEventLoop, there: asyncio.AbstractEventLoop) -> None:
        self._here, self._there = here, there
        self._queue: asyncio.Queue[str | bytes | BaseException | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(MOST_WAITING)
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, serving: Coroutine[Any, Any, None]) -> None:
        """Have the thread do ``serving``, which calls :meth:`put`."""

        def begin() -> None:
            self._task = self._there.create_task(serving)
            # Not a finally: a task that is cancelled before its first step never gets to one.
            self._task.add_done_callback(self._on_end)

        self._there.call_soon_threadsafe(begin)

    async def put(self, item: str | bytes | None) -> None:
        """Hand over, in the thread; waits while too much is under way."""
        await self._room.acquire()
        self._tell(lambda: self._queue.put_nowait(item))

    async def opened(self, longest_s: float) -> None:
        """Wait until the connection stands. Raises Unreachable."""
        try:
            async with asyncio.timeout(longest_s):
                await self._take()
        except TimeoutError:
            raise Unreachable(f"no connection within {longest_s:g} s") from None

    async def end(self) -> None:
        """Have everything closed in the thread; one that hangs is left to the end of the process."""
        self._there.call_soon_threadsafe(lambda: self._task is not None and self._task.cancel())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._ended.wait()

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Yield what comes until the connection ends, which raises Unreachable."""
        while True:
            frame = await self._take()
            if frame is not None:
                yield frame

    async def say(self, text: str) -> None:
        """Say nothing: a library subscribes by itself."""

    async def ping(self, ponged: Callable[[], None]) -> None:
        """Count as answered: a library pings by itself, and what counts is data."""
        ponged()

    async def _take(self) -> str | bytes | None:
        item = await self._queue.get()
        if isinstance(item, BaseException):
            raise item
        self._there.call_soon_threadsafe(self._room.release)
        return item

    def _on_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._tell(lambda: self._queue.put_nowait(error))
        self._tell(self._ended.set)

    def _tell(self, act: Callable[[], object]) -> None:
        if not self._here.is_closed():
            self._here.call_soon_threadsafe(act)
