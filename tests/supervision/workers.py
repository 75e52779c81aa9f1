"""Python children for these tests. Named in a tree as ``start = "tests.supervision.workers:serves"``."""

from __future__ import annotations

import os
import select
import signal
import socket
from pathlib import Path
from types import FrameType

import zmq

from protocol.messages.control import Launch
from tests.support.puppets import say
from tests.workers.shared.puppets import recorder
from workers.shared.process import run
from workers.shared.worker import Context, Worker

BLOCKS_AT = signal.SIGUSR2


def serves(launch: Launch) -> int:
    """A whole worker: ready, beats, an orderly end. SIGUSR2 blocks its loop for ever."""
    return run(launch, _blockable)


def serves_soon(launch: Launch) -> int:
    """Like :func:`serves`, but before it is ready it says so and waits for ``config["file"]`` to be there."""
    say("not ready yet")
    _wait_for(launch.config["file"])
    return serves(launch)


def waits_while_built(launch: Launch) -> int:
    """A whole worker that is never done with its preparations: it waits for the stop among them."""
    return run(launch, _endless)


def never_ready(launch: Launch) -> None:
    """Run, deaf to nothing, without ever saying that it serves."""
    say(f"up {os.getpid()}")
    _block()


def needs_a_file(launch: Launch) -> int:
    """Serve as long as ``config["file"]`` is there at the start; fail without it."""
    if not Path(launch.config["file"]).exists():
        raise ConnectionRefusedError(111, "the world is away")
    return serves(launch)


def binds_a_port(launch: Launch) -> None:
    """Take ``config["port"]``, which somebody else may have."""
    with socket.create_server(("127.0.0.1", launch.config["port"])):
        _block()


def grows(launch: Launch) -> int:
    """Serve, with ``config["bytes"]`` more memory than needed."""
    ballast = bytearray(os.urandom(1)) * launch.config["bytes"]
    return serves(launch) + 0 * len(ballast)


def leaves_a_mark(launch: Launch) -> int:
    """Add a byte to ``config["file"]`` and fail."""
    with Path(launch.config["file"]).open("ab") as file:
        file.write(b".")
    return 1


def leaves_unsent_words(launch: Launch) -> int:
    """Return 7 while a socket, never closed, still holds words for somebody who is not there."""
    context = zmq.Context()
    unsent = context.socket(zmq.DEALER)
    unsent.setsockopt(zmq.LINGER, -1)
    unsent.connect(f"ipc://{launch.config['nowhere']}")
    unsent.send(b"still to be said")
    globals()["kept"] = (context, unsent)
    return 7


def tells_what_it_inherited(launch: Launch) -> None:
    """Say which signal handlers and which wake-up descriptor a newborn child has."""
    handled = [
        number
        for number in signal.valid_signals()
        if signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None)
    ]
    say(f"handled {handled} wakeup {signal.set_wakeup_fd(-1)}")


def _blockable(context: Context) -> Worker:
    signal.signal(BLOCKS_AT, _block)
    return recorder(inputs=())(context)


def _endless(context: Context) -> Worker:
    read, write = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(write)
    say("being built")
    select.select([read], [], [])
    signal.set_wakeup_fd(-1)
    return recorder(inputs=())(context)


def _block(_number: int = 0, _frame: FrameType | None = None) -> None:
    while True:
        select.select([], [], [])


def _wait_for(path: str) -> None:
    while not Path(path).exists():
        select.select([], [], [], 0.01)
