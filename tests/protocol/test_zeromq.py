"""What only real sockets do: wake-ups, stale files, other users, blocking questions, full queues."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from protocol.errors import EndpointUnusable, NoAnswer
from protocol.places import endpoint
from protocol.transport.zeromq import FRAMES_A_TURN, QUESTIONS, ZeromqTransport, ask
from tests.protocol.worlds import DEADLINE_S, World, ZeromqWorld, play
from tests.support.deadline import until

MIB = 1 << 20
WAKE_UPS = 10_000


@pytest.fixture(params=["asyncio", "uvloop"], scope="module")
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a coroutine on each kind of loop that is installed."""
    if request.param == "asyncio":
        return asyncio.run
    found: Callable[..., None] = pytest.importorskip("uvloop").run
    found(asyncio.sleep(0))  # uvloop keeps one pipe for the whole process: not a leak of the test
    return found


def test_no_wake_up_is_swallowed(run: Callable[..., None], tmp_path: Path) -> None:
    """Ten thousand times a frame comes while the receiver itself sends, outside of its own receiving.

    Each side has the next frame in flight only after the last one was handled: one lost wake-up and
    everything stands still.
    """

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        transport, done = ZeromqTransport(), asyncio.Event()
        address = endpoint(tmp_path, "root", "control")
        count = 0

        def served(identity: bytes, frame: bytes) -> None:
            if frame == b"ping":
                loop.call_soon(router.send, identity, b"noise")
                loop.call_soon(router.send, identity, b"pong")

        def answered(frame: bytes) -> None:
            nonlocal count
            if frame == b"noise":
                loop.call_soon(dealer.send, b"noise")
                return
            count += 1
            loop.call_soon(done.set if count == WAKE_UPS else lambda: dealer.send(b"ping"))

        router = transport.router(address, served, max_bytes=MIB)
        dealer = transport.dealer(address, answered, max_bytes=MIB)
        dealer.send(b"ping")
        async with asyncio.timeout(3 * DEADLINE_S):
            await done.wait()
        transport.close()

    run(scenario())


def test_a_flood_starves_nobody() -> None:
    """While thousands of frames wait, other work of the loop has its turn in between."""

    async def scenario(world: World) -> None:
        loop = asyncio.get_running_loop()
        heard, turns = 0, [0]
        longest = 0

        def take(identity: bytes, frame: bytes) -> None:
            nonlocal heard, longest
            heard += 1
            longest = max(longest, heard - turns[-1])

        def other_work() -> None:
            turns.append(heard)
            if heard < 2000:
                loop.call_soon(other_work)

        address = world.endpoint("root", "control")
        world.transport().router(address, take, max_bytes=MIB)
        for _ in range(40):
            dealer = world.transport().dealer(address, lambda frame: None, max_bytes=MIB)
            assert all(dealer.send(b"x") for _ in range(50))
        loop.call_soon(other_work)
        await world.until(lambda: heard == 2000)
        assert longest <= 2 * FRAMES_A_TURN

    play(ZeromqWorld, scenario)


def test_a_full_queue_says_no() -> None:
    """Without a router a dealer keeps a bounded number of frames, and never blocks."""

    async def scenario(world: World) -> None:
        dealer = world.transport().dealer(
            world.endpoint("absent", "control"), lambda frame: None, max_bytes=MIB
        )
        results = [dealer.send(b"x") for _ in range(QUESTIONS + 10)]

        assert results == [True] * QUESTIONS + [False] * 10

    play(ZeromqWorld, scenario)


def test_an_error_in_a_handler_loses_no_frame(tmp_path: Path) -> None:
    """The error goes to the loop's exception handler; the frames behind it are still handled."""

    async def scenario() -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        transport, done = ZeromqTransport(), asyncio.Event()
        heard: list[bytes] = []

        def take(identity: bytes, frame: bytes) -> None:
            heard.append(frame)
            if frame == b"19":
                done.set()
            raise ValueError(frame)

        address = endpoint(tmp_path, "root", "control")
        transport.router(address, take, max_bytes=MIB)
        dealer = transport.dealer(address, lambda frame: None, max_bytes=MIB)
        for n in range(20):
            assert dealer.send(b"%d" % n)
        async with asyncio.timeout(DEADLINE_S):
            await done.wait()
        transport.close()
        assert heard == [b"%d" % n for n in range(20)]

    asyncio.run(scenario())


def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    """What a killed process left at the address is no obstacle."""
    address = endpoint(tmp_path, "root", "control")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(address.removeprefix("ipc://"))
    stale.close()

    async def scenario(world: World) -> None:
        heard: list[bytes] = []
        world.transport().router(address, lambda who, frame: heard.append(frame), max_bytes=MIB)
        world.transport().dealer(address, lambda frame: None, max_bytes=MIB).send(b"x")
        await world.until(lambda: heard == [b"x"])

    play(ZeromqWorld, scenario)


def test_a_removed_socket_file_is_bound_again(tmp_path: Path) -> None:
    """Old connections live on, new ones find the new file, and what is in place or closed is left alone."""
    address = endpoint(tmp_path, "root", "control")

    def remove() -> None:
        Path(address.removeprefix("ipc://")).unlink(missing_ok=True)

    async def scenario() -> None:
        transport, heard = ZeromqTransport(), list[bytes]()
        router = transport.router(address, lambda _, frame: heard.append(frame), max_bytes=MIB)
        old = transport.dealer(address, heard.append, max_bytes=MIB)
        old.send(b"before")
        await until(lambda: heard == [b"before"])
        remove()

        assert transport.rebind() == [address]
        assert transport.rebind() == []
        transport.dealer(address, heard.append, max_bytes=MIB).send(b"new")
        old.send(b"old")
        await until(lambda: sorted(heard) == [b"before", b"new", b"old"])

        router.close()
        remove()
        assert transport.rebind() == []
        transport.close()

    asyncio.run(scenario())


def test_an_unusable_endpoint_is_told(tmp_path: Path) -> None:
    """A directory that is not there: an error with the address, and nothing left open."""

    async def scenario(world: World) -> None:
        with pytest.raises(EndpointUnusable, match="No such file"):
            world.transport().publisher(f"ipc://{tmp_path}/none/x")

    play(ZeromqWorld, scenario)


def test_identities_that_zeromq_would_not_take_are_hashed() -> None:
    """Long names, and names that begin with a zero byte, work like any other."""

    async def scenario(world: World) -> None:
        heard: dict[bytes, bytes] = {}
        address = world.endpoint("root", "control")
        world.transport().router(address, heard.__setitem__, max_bytes=MIB)
        for identity in (b"n" * 256, b"\0n", b"n" * 255):
            world.transport().dealer(address, lambda frame: None, identity=identity, max_bytes=MIB).send(
                identity[:2]
            )
        await world.until(lambda: len(heard) == 3)
        assert heard[b"n" * 255] == b"nn"

    play(ZeromqWorld, scenario)


def test_many_connections_at_once() -> None:
    """Hundreds of children that connect in the same instant are all heard."""

    async def scenario(world: World) -> None:
        heard: set[bytes] = set()
        address = world.endpoint("root", "control")
        world.transport().router(address, lambda who, frame: heard.add(frame), max_bytes=MIB)
        children = world.transport()
        for n in range(300):
            children.dealer(address, lambda frame: None, max_bytes=MIB).send(b"%d" % n)
        await world.until(lambda: len(heard) == 300)

    play(ZeromqWorld, scenario)


STRANGER = """
import os, sys, zmq
from zmq.utils.monitor import recv_monitor_message
os.setuid(65534)
socket = zmq.Context().socket(zmq.DEALER)
watched = zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
monitor = socket.get_monitor_socket(watched)
socket.connect(sys.argv[1])
socket.send(b"stranger")
while True:
    print(recv_monitor_message(monitor)["event"].name, flush=True)
"""


@pytest.fixture
def open_address() -> Iterator[str]:
    """An address that every user may reach, as none in a runtime directory is."""
    directory = Path(tempfile.mkdtemp(prefix="open-"))
    directory.chmod(0o777)
    before = os.umask(0)
    yield endpoint(directory, "root", "control")
    os.umask(before)
    shutil.rmtree(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_other_users_are_not_heard(open_address: str) -> None:
    """Even if the directory were open, a process of another user is turned away before it says a word."""

    async def scenario(world: World) -> None:
        heard: list[bytes] = []
        world.transport().router(open_address, lambda who, frame: heard.append(frame), max_bytes=MIB)
        stranger = await asyncio.create_subprocess_exec(
            sys.executable, "-c", STRANGER, open_address, stdout=subprocess.PIPE
        )
        assert stranger.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            events = [await stranger.stdout.readline() for _ in range(2)]
        world.transport().dealer(open_address, lambda frame: None, max_bytes=MIB).send(b"friend")
        await world.until(lambda: b"friend" in heard)
        stranger.kill()
        await stranger.wait()
        assert events == [b"CONNECTED\n", b"DISCONNECTED\n"]
        assert heard == [b"friend"]

    play(ZeromqWorld, scenario)


def answering(address: str, ready: threading.Event, stop: threading.Event) -> None:
    """A root that answers every question, in a thread of its own."""

    async def serve() -> None:
        transport = ZeromqTransport()
        router = transport.router(
            address, lambda who, frame: None if frame == b"silence" else reply(who, frame), max_bytes=MIB
        )

        def reply(who: bytes, frame: bytes) -> None:
            router.send(who, b"re:" + frame)

        ready.set()
        await asyncio.get_running_loop().run_in_executor(None, stop.wait, DEADLINE_S)
        transport.close()

    asyncio.run(serve())


def test_a_blocking_question_is_answered(tmp_path: Path) -> None:
    """A command asks once and gets the answer; silence ends in a typed error, in time."""
    address = endpoint(tmp_path, "root", "operator")
    ready, stop = threading.Event(), threading.Event()
    server = threading.Thread(target=answering, args=(address, ready, stop))
    server.start()
    try:
        assert ready.wait(DEADLINE_S)
        assert ask(address, b"status", timeout=DEADLINE_S, max_bytes=MIB) == b"re:status"
        with pytest.raises(NoAnswer):
            ask(address, b"silence", timeout=0.05, max_bytes=MIB)
    finally:
        stop.set()
        server.join()


def test_a_question_to_nobody_ends_in_time(tmp_path: Path) -> None:
    """With nobody there the command is told where it asked and how long it waited."""
    address = endpoint(tmp_path, "root", "operator")
    with pytest.raises(NoAnswer, match="no answer from ipc://") as caught:
        ask(address, b"status", timeout=0.05, max_bytes=MIB)

    assert (caught.value.endpoint, caught.value.timeout) == (address, 0.05)


def test_nothing_is_left_open(tmp_path: Path) -> None:
    """Opening and closing leaves no descriptor, no thread, and no reader on a number used again."""

    async def scenario(world: World) -> None:
        transport = world.transport()
        address = world.endpoint("root", "control")
        heard: list[bytes] = []
        transport.router(address, lambda who, frame: heard.append(frame), max_bytes=MIB)
        transport.dealer(address, lambda frame: None, max_bytes=MIB).send(b"x")
        await world.until(lambda: heard == [b"x"])

    def usage() -> tuple[int, int]:
        gc.collect()
        process = psutil.Process()
        return process.num_fds(), process.num_threads()

    play(ZeromqWorld, scenario)
    before = usage()
    for _ in range(5):
        play(ZeromqWorld, scenario)
    assert usage() == before
