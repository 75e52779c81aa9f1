"""A local exchange in a thread, for tests that start real processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.exchange.server import LocalExchange


@contextmanager
def in_thread(exchange: LocalExchange) -> Iterator[LocalExchange]:
    """Have it serve beside the test; its attributes may be changed from here."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="local exchange")
    thread.start()

    def call(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(30)

    try:
        call(exchange.start())
        yield exchange
    finally:
        call(exchange.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
