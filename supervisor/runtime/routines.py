"""What a root does again and again while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from supervisor.host.guarded import Broken, guarded


class Routines:
    """Tasks that go on until they are closed; ``broken`` hears of a defect in one."""

    def __init__(self, broken: Broken) -> None:
        self._loop, self._broken = asyncio.get_running_loop(), broken
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, pause_s: float, step: Callable[[], None], *, at_once: bool = True) -> None:
        """Do a step, then again after each pause; the first time now, or after the first pause."""
        self.run(_repeated(pause_s, step, at_once=at_once))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that repeats itself."""
        self._tasks.append(guarded(self._loop, work, name="routine of the root", broken=self._broken))

    def close(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()


async def _repeated(pause_s: float, step: Callable[[], None], *, at_once: bool) -> None:
    if at_once:
        step()
    while True:
        await asyncio.sleep(pause_s)
        step()
