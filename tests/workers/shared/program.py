"""Worker processes for tests: ``python -m tests.workers.shared.program NAME LAUNCH``."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import replace

import msgspec
from loguru import logger

from protocol.messages.control import Done, Launch
from tests.workers.shared.puppets import Recorder, recorder
from workers.feed import main as feed
from workers.shared.core import Step
from workers.shared.process import run
from workers.shared.worker import Context, Wake, Worker
from workers.strategy import main as strategy

BUILDING = b"building\n"


class Crashing(Recorder):
    """Fails at its first step."""

    def step(self) -> Step | None:
        """Raise."""
        raise RuntimeError("boom")


async def failing(wake: Wake) -> None:
    """Fail after a moment, as a network client might."""
    await asyncio.sleep(0)
    raise OSError("service lost")


async def stray(wake: Wake) -> None:
    """Let a callback of the loop fail."""
    nothing: dict[str, None] = {}
    asyncio.get_running_loop().call_soon(nothing.pop, "key")
    await asyncio.sleep(3600)


async def chatting(wake: Wake) -> None:
    """Log far more than any pipe holds."""
    while True:
        logger.bind(padding="x" * 500).info("chat")
        await asyncio.sleep(0)


async def cleaning(wake: Wake) -> None:
    """Have last words when cancelled."""
    try:
        await asyncio.sleep(3600)
    finally:
        logger.info("service ended")


def with_service(service: Callable[[Wake], object]) -> Callable[[Context], Worker]:
    """Return a build of a worker with one service."""
    return lambda context: replace(recorder(inputs=())(context), services=(service,))  # type: ignore[arg-type]


def slow(context: Context) -> Worker:
    """Take until a signal comes to be built."""
    read, write = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(write)
    os.write(1, BUILDING)
    select.select([read], [], [])
    signal.set_wakeup_fd(-1)
    return recorder(inputs=())(context)


BUILDS: dict[str, Callable[[Context], Worker]] = {
    "plain": recorder(inputs=()),
    "reader": recorder(Recorder(bound=500, batch=500)),
    "crashing": recorder(Crashing(), inputs=()),
    "failing": with_service(failing),
    "stray": with_service(stray),
    "chatting": with_service(chatting),
    "cleaning": with_service(cleaning),
    "done": recorder(inputs=(), done=lambda: Done(then="shutdown")),
    "slow": slow,
}
MAINS: dict[str, Callable[[Launch], int]] = {"feed": feed, "strategy": strategy}


def main(name: str, launch: Launch) -> int:
    """Be the worker ``name``."""
    return MAINS[name](launch) if name in MAINS else run(launch, BUILDS[name])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Launch)))
