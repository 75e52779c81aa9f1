"""The life of a worker process, from birth to exit code."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable

from loguru import logger

from protocol.errors import JournalError, PlaceError, ProtocolError, StreamError
from protocol.messages.control import Launch
from protocol.stop import Stop
from protocol.transport.zeromq import ZeromqTransport
from workers.shared import exits, log
from workers.shared.driver import Driver
from workers.shared.exits import CannotGoOn, PersonMustLook, StartAgain
from workers.shared.shell import Shell, Surroundings
from workers.shared.worker import Context, Worker

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def run(launch: Launch, build: Callable[[Context], Worker]) -> int:
    """Be the worker that ``build`` makes, until SIGTERM or SIGINT; returns the exit code.

    Never raises: what went wrong is the last CRITICAL record of the log. Call it in the main thread of a
    process of its own; it takes over signals, stdout's log and the garbage collector's settings.
    """
    stop = Stop()
    stop.install()
    log.configure(launch.child)
    try:
        _live(launch, build, stop)
    except PersonMustLook as error:
        logger.critical("{}", error)
        return exits.CONFIG
    except CannotGoOn as error:
        logger.critical("{}", error)
        return exits.CRASHED
    except StartAgain as error:
        logger.critical("{}", error)
        return exits.STALE
    except ProtocolError as error:
        logger.critical("{}", error)
        return exits.CONFIG if _needs_a_person(error) else exits.CRASHED
    except Exception:  # noqa: BLE001 - the last line of defence: told with its traceback, exit 1
        logger.opt(exception=True).critical("worker failed")
        return exits.CRASHED
    finally:
        log.flush()
    return exits.OK


def _needs_a_person(error: ProtocolError) -> bool:
    return isinstance(error, JournalError | StreamError | PlaceError) and not error.retriable


def _live(launch: Launch, build: Callable[[Context], Worker], stop: Stop) -> None:
    worker = build(Context(launch))
    # What lives now lives to the end: the collector need not look at it, nor unshare its pages.
    gc.freeze()
    if stop.asked:
        worker.journal.close()
        return
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(worker, launch, stop))
    logger.info("stopped")


async def _serve(worker: Worker, launch: Launch, stop: Stop) -> None:
    driver = Driver(stop)
    transport = ZeromqTransport()
    clock = asyncio.get_running_loop().time
    try:
        shell = Shell(worker, launch, Surroundings(transport, clock, _wall_ms, driver.wake))
        shell.open()
        logger.bind(incarnation=launch.incarnation).info("ready")
        await driver.run(shell.turn, worker.services, worker.linger_s)
        shell.close()
    finally:
        transport.close()
        worker.journal.close()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _loop_factory() -> LoopFactory | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: LoopFactory = uvloop.new_event_loop
    return factory
