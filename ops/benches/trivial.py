"""The smallest useful Python worker: says that it is ready, beats, and ends at SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from protocol.codec import FROM_CHILD, TO_CHILD
from protocol.messages.control import Beat, Launch, Ready
from protocol.places import endpoint
from protocol.transport.port import Dealer
from protocol.transport.zeromq import ZeromqTransport


def main(launch: Launch) -> int:
    """Be the worker until it is told to stop."""
    asyncio.run(_serve(launch))
    return 0


async def _serve(launch: Launch) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    transport = ZeromqTransport()
    where = endpoint(launch.runtime_dir, "root", "control")
    root = transport.dealer(where, lambda _: None, max_bytes=TO_CHILD.max_bytes)
    _say(root, launch, Ready(os.getpid()))
    while not stopped.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), launch.heartbeat or None)
        _say(root, launch, Beat())
    transport.close()


def _say(root: Dealer, launch: Launch, message: Ready | Beat) -> None:
    root.send(FROM_CHILD.encode(message, stream=launch.child, seq=launch.incarnation))
