"""Tasks that nobody waits for: an exception that ends one is a defect, and somebody must hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Broken = Callable[[BaseException], None]
"""Hears of a defect; whoever it is ends everything."""


def guarded(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None], *, name: str, broken: Broken
) -> asyncio.Task[None]:
    """Run ``work`` as a task; ``broken`` is told of an exception that ends it. To cancel it is no defect."""

    def look(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (defect := task.exception()) is not None:
            broken(defect)

    task = loop.create_task(work, name=name)
    task.add_done_callback(look)
    return task
