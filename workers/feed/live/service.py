"""Does what the live core commands, and tells it what came of it. The only file with tasks in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never

from workers.feed.live.commands import Answer, Ask, AtWork, Command, Connect, Disconnect, Ping, Say
from workers.feed.live.network import Connection, Network, Response, Unreachable
from workers.shared.worker import Wake


class Commanding(Protocol):
    """A core that has the outside world served to it; see ``LiveCore``."""

    wake: Callable[[], None]
    at_work: Callable[[], AtWork]

    def advance(self, now: float, at_ms: int) -> None: ...

    def commands(self) -> tuple[Command, ...]: ...

    def opened(self, line: str) -> None: ...

    def lost(self, line: str, why: str) -> None: ...

    def heard(self, line: str, text: str | bytes) -> None: ...

    def ponged(self, line: str) -> None: ...

    def answered(self, answer: Answer) -> None: ...


@dataclass
class Served:
    """A connection and those who work on it."""

    task: asyncio.Task[None] | None = None
    outbox: asyncio.Queue[Say | Ping] = field(default_factory=asyncio.Queue)


class LiveService:
    """Runs beside the core, as a service of the process. What it opens it closes, however it ends."""

    def __init__(
        self, core: Commanding, network: Network, rest_base: str, wall_ms: Callable[[], int]
    ) -> None:
        self._core, self._network, self._rest_base, self._wall_ms = core, network, rest_base, wall_ms
        self._wanted = asyncio.Event()
        self._served: dict[str, Served] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._crash: BaseException | None = None
        self._wake: Wake = lambda: None

    async def __call__(self, wake: Wake) -> None:
        """Serve until cancelled. Raises what a task of it raised, which would be a defect."""
        self._wake, self._core.wake, self._core.at_work = wake, self._wanted.set, self._at_work
        wake()
        try:
            while self._crash is None:
                for command in self._core.commands():
                    self._perform(command)
                await self._wanted.wait()
                self._wanted.clear()
            raise self._crash
        finally:
            await self._end()

    def _at_work(self) -> AtWork:
        return AtWork(sessions=len(self._served), tasks=len(asyncio.all_tasks()))

    def _perform(self, command: Command) -> None:
        match command:
            case Connect(line, url):
                served = Served()
                self._served[line] = served
                served.task = self._begin(self._serve(line, url, served))
            case Disconnect(line):
                self._dismiss(line)
            case Say(line) | Ping(line):
                if line in self._served:
                    self._served[line].outbox.put_nowait(command)
            case Ask():
                self._begin(self._ask(command))
            case _ as never:
                assert_never(never)

    def _dismiss(self, line: str) -> None:
        served = self._served.pop(line, None)
        if served is not None and served.task is not None:
            served.task.cancel()

    async def _serve(self, line: str, url: str, served: Served) -> None:
        why = "the connection ended"
        try:
            async with self._network.connect(url) as connection:
                self._tell(lambda: self._core.opened(line))
                await self._listen(line, connection, served)
        except Unreachable as error:
            why = str(error)
        if self._served.get(line) is served:
            del self._served[line]
            self._tell(lambda: self._core.lost(line, why))

    async def _listen(self, line: str, connection: Connection, served: Served) -> None:
        speaker = asyncio.create_task(self._speak(line, connection, served))
        try:
            async for frame in connection.frames():
                self._tell(lambda frame=frame: self._core.heard(line, frame))  # type: ignore[misc]
        finally:
            speaker.cancel()
            await asyncio.gather(speaker, return_exceptions=True)

    async def _speak(self, line: str, connection: Connection, served: Served) -> None:
        def ponged() -> None:
            if self._served.get(line) is served:
                self._tell(lambda: self._core.ponged(line))

        while True:
            command = await served.outbox.get()
            try:
                if isinstance(command, Say):
                    await connection.say(command.text)
                else:
                    await connection.ping(ponged)
            except Unreachable:
                return  # the listener hears of it too, and tells

    async def _ask(self, ask: Ask) -> None:
        sent_ms = self._wall_ms()
        try:
            found: Response | Unreachable = await self._network.get(ask.request.url(self._rest_base))
        except Unreachable as error:
            found = error
        answer = _answer(ask.number, sent_ms, self._wall_ms(), found)
        self._tell(lambda: self._core.answered(answer))

    def _tell(self, telling: Callable[[], None]) -> None:
        self._core.advance(asyncio.get_running_loop().time(), self._wall_ms())
        telling()
        self._wake()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_end)
        return task

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash = error
            self._wanted.set()

    async def _end(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _answer(number: int, sent_ms: int, received_ms: int, found: Response | Unreachable) -> Answer:
    if isinstance(found, Unreachable):
        return Answer(number, sent_ms, received_ms, why=str(found))
    return Answer(number, sent_ms, received_ms, found.status, found.body, found.retry_after_s)
