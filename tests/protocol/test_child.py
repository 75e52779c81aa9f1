"""The child's side without asyncio. How it fares under a real root is in tests/api."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.child import Connection
from protocol.codec import FROM_CHILD, TO_CHILD
from protocol.control import DONE_AGAIN_S, Control
from protocol.errors import FrameError
from protocol.messages.control import Beat, Done, DoneNoted, FromChild, Launch, Ready
from protocol.places import endpoint
from protocol.transport.port import Dealer, FrameHandler
from protocol.transport.zeromq import ZeromqTransport
from tests.support.deadline import wait_until

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def launch(runtime_dir: Path, *, heartbeat: float = 0.02) -> Launch:
    """What a child of these tests is born with."""
    return Launch(
        child="c",
        path="root/c",
        incarnation=3,
        runtime_dir=str(runtime_dir),
        state_dir="/nowhere",
        config_dir="/nowhere",
        heartbeat=heartbeat,
    )


class Root:
    """The root's end, on a loop in a thread of its own; ``answers`` are sent for each ``Done``."""

    def __init__(self, runtime_dir: Path, answers: list[bytes]) -> None:
        self.heard: list[FromChild] = []
        self.frames: list[tuple[str, int]] = []
        self._answers = answers
        self._door = endpoint(runtime_dir, "root", "control")
        self._loop = asyncio.new_event_loop()
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._ended = asyncio.Event()

    async def _serve(self) -> None:
        transport = ZeromqTransport()

        def hear(identity: bytes, frame: bytes) -> None:
            envelope, message = FROM_CHILD.decode(frame)
            self.heard.append(message)
            self.frames.append((envelope.stream, envelope.seq))
            for answer in self._answers if isinstance(message, Done) else ():
                router.send(identity, answer)

        router = transport.router(self._door, hear, max_bytes=FROM_CHILD.max_bytes)
        self._bound.set()
        await self._ended.wait()
        transport.close()

    def beats(self) -> list[Beat]:
        """Return the beats heard."""
        return [message for message in self.heard if isinstance(message, Beat)]

    @classmethod
    @contextmanager
    def at(cls, runtime_dir: Path, *answers: bytes) -> Iterator[Root]:
        """Serve for the length of a block."""
        root = cls(runtime_dir, list(answers))
        root._thread.start()
        root._bound.wait()
        try:
            yield root
        finally:
            root._loop.call_soon_threadsafe(root._ended.set)
            root._thread.join()
            root._loop.close()
            Path(root._door.removeprefix("ipc://")).unlink()


@pytest.mark.req("S3")
def test_ready_and_beats_arrive(runtime_dir: Path) -> None:
    """Told as this child's incarnation; a beat carries what was given last."""
    with Root.at(runtime_dir) as root, Connection(launch(runtime_dir)) as connection:
        connection.ready()
        connection.beat(
            errors=2, last_error="a stone", health="degraded", reasons=("rain",), counters={"n": 1}
        )
        wait_until(lambda: connection.sleep(0.01) or root.beats(), what="a beat")
        wait_until(lambda: connection.sleep(0.01) or root.beats()[-1].errors == 2, what="the newest beat")

    assert root.heard[0] == Ready(os.getpid())
    assert set(root.frames) == {("c", 3)}
    assert root.beats()[-1] == Beat(
        loops=1, errors=2, last_error="a stone", health="degraded", reasons=("rain",), counters={"n": 1}
    )


@pytest.mark.req("S4")
def test_beating_often_costs_nothing(runtime_dir: Path) -> None:
    """A thousand calls within an interval are one beat."""
    with Root.at(runtime_dir) as root, Connection(launch(runtime_dir, heartbeat=3600)) as connection:
        connection.ready()
        for _ in range(1000):
            connection.beat()
        connection.sleep(0.0)
        wait_until(root.beats, what="the beat")

    assert len(root.beats()) == 1


@pytest.mark.req("S8")
@pytest.mark.parametrize("number", SIGNALS)
def test_signal_ends_a_sleep_without_end(runtime_dir: Path, number: signal.Signals) -> None:
    """Also with no root there; later sleeps return at once, and so the loop of a child ends."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with Connection(launch(runtime_dir, heartbeat=0)) as connection:
        assert not connection.sleep(0.0)
        timer = threading.Timer(0.05, os.kill, (os.getpid(), number))
        timer.start()
        assert connection.sleep(float("inf"))
        timer.join()
        assert connection.stopping
        assert connection.sleep(3600)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_done_is_said_until_noted(runtime_dir: Path) -> None:
    """Noise and the acknowledgement of an earlier life do not count; that of this one ends it."""
    noise = b"\xc1"
    stale, noted = (TO_CHILD.encode(DoneNoted(), stream="c", seq=seq) for seq in (2, 3))
    with Root.at(runtime_dir, noise, stale, noted) as root, Connection(launch(runtime_dir)) as connection:
        connection.ready()
        connection.done("shutdown", 5)
        wait_until(lambda: connection.sleep(0.01) or root.beats()[-1:], what="a beat")
        wait_until(lambda: connection.sleep(0.01) or root.beats()[-1].errors, what="the noise to be counted")

    assert [message for message in root.heard if isinstance(message, Done)] == [Done("shutdown", 5)]


def test_only_in_the_main_thread(runtime_dir: Path) -> None:
    """Elsewhere signals cannot be heard: that is an error, and nothing is left open."""
    errors: list[Exception] = []

    def enter() -> None:
        try:
            Connection(launch(runtime_dir)).__enter__()
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()

    assert "main thread" in str(errors[0])


class Ear(Dealer):
    """A dealer that keeps what it is given, and the way to all of it."""

    def __init__(self) -> None:
        self.sent: list[FromChild] = []

    def dealer(self, endpoint: str, handler: FrameHandler, *, max_bytes: int) -> Dealer:
        """Give out itself."""
        return self

    def send(self, frame: bytes) -> bool:
        """Keep it."""
        self.sent.append(FROM_CHILD.decode(frame)[1])
        return True

    def close(self) -> None:
        """Have nothing to close."""


def never(error: FrameError) -> None:
    """Refuse to be called."""
    raise AssertionError(error)


@given(
    pauses=st.lists(st.floats(0, 5), max_size=40),
    heartbeat=st.floats(0.1, 3),
    done_from=st.integers(0, 40),
)
def test_what_is_due_is_said_and_no_more(pauses: list[float], heartbeat: float, done_from: int) -> None:
    """At any rhythm of calls: one beat an interval at most, one whenever it is due, and so with done."""
    ear, now = Ear(), 1000.0
    control = Control(launch(Path("/x"), heartbeat=heartbeat), wall_ms=lambda: 0, bad_frame=never)
    control.connect(ear)
    spoken: dict[type, float] = {}
    for index, pause in enumerate(pauses):
        now += pause
        before = len(ear.sent)
        done = Done() if index >= done_from else None
        control.report(now, Beat, done)
        due: set[type] = {Beat} if now >= spoken.get(Beat, 0.0) + heartbeat else set()
        if done is not None and now >= spoken.get(Done, 0.0) + DONE_AGAIN_S:
            due.add(Done)
        assert {type(message) for message in ear.sent[before:]} == due
        spoken |= dict.fromkeys(due, now)
        assert control.deadline > now


def test_clock_of_the_sleep_is_real(runtime_dir: Path) -> None:
    """A sleep lasts as long as was asked, however short the interval of the beats."""
    with Connection(launch(runtime_dir, heartbeat=0.001)) as connection:
        began = time.monotonic()
        connection.sleep(0.05)

    assert time.monotonic() - began >= 0.05
