"""Waiting in a loop until a descriptor has something to read."""

from __future__ import annotations

import asyncio


async def until_readable(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    """Wait until there is something to read, an end-of-file included."""
    woken = loop.create_future()
    loop.add_reader(descriptor, wake, woken)
    try:
        await woken
    finally:
        # Before anybody closes it: a number used again would silently not be watched.
        loop.remove_reader(descriptor)


def wake(woken: asyncio.Future[None]) -> None:
    """End somebody's waiting; harmless when repeated."""
    if not woken.done():
        woken.set_result(None)
