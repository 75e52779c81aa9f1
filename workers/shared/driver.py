"""Turns a shell on the asyncio loop: at once while there is work, else at its deadline or when woken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

from protocol.stop import Stop
from workers.shared.worker import Service

SERVICES_END_S: Final = 2.0
"""How long cancelled services may take for their last words."""


class Driver:
    """One for each process. Turns are callbacks of the loop, so beats and frames get in between."""

    def __init__(self, stop: Stop) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = stop
        self._turn: Callable[[], float] | None = None
        self._scheduled = False
        self._linger_s = 0.0
        self._ends_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._end: asyncio.Future[None] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop.set_exception_handler(self._on_stray_error)

    async def run(
        self, turn: Callable[[], float], services: tuple[Service, ...], linger_s: float = 0.0
    ) -> None:
        """Turn until a stop is asked for, and ``linger_s`` longer. Raises what ``turn``, a handler or a
        service raised."""
        self._turn, self._linger_s = turn, linger_s
        self._stop.tell(lambda: self._loop.call_soon_threadsafe(self.wake))
        for service in services:
            self._start(service)
        self.wake()
        try:
            await self._end
        finally:
            self._stop.tell(None)
            self._turn = None
            await self._end_services()

    def wake(self) -> None:
        """Have a turn soon; harmless when repeated."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._scheduled = False
        if self._timer is not None:
            self._timer.cancel()
        if self._stop.asked and self._lingered():
            self._finish(None)
        elif self._turn is not None and not self._end.done():
            try:
                self._wait_until(self._turn())
            except Exception as error:  # noqa: BLE001 - carried to the caller of run
                self._finish(error)

    def _lingered(self) -> bool:
        """Whether enough time has passed since the stop was asked for."""
        if self._ends_at is None:
            self._ends_at = self._loop.time() + self._linger_s
        return self._loop.time() >= self._ends_at

    def _wait_until(self, deadline: float) -> None:
        deadline = deadline if self._ends_at is None else min(deadline, self._ends_at)
        if deadline <= self._loop.time():
            self.wake()
        elif deadline != float("inf"):
            self._timer = self._loop.call_at(deadline, self.wake)

    def _finish(self, error: BaseException | None) -> None:
        if self._end.done():
            return
        if error is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(error)

    def _start(self, service: Service) -> None:
        async def serve() -> None:
            await service(self.wake)

        task = self._loop.create_task(serve())
        self._tasks.add(task)
        task.add_done_callback(self._on_service_ended)

    def _on_service_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._finish(error)

    async def _end_services(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SERVICES_END_S)

    def _on_stray_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._finish(context.get("exception") or RuntimeError(str(context.get("message"))))
