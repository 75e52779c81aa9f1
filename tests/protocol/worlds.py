"""Two worlds with one face: the simulated network and real sockets. The same scenarios run in both.

Here too: the smallest shells around the pure halves, as a worker's would be.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec
import zmq

from protocol.codec import BROADCAST, STREAM_REPLY, STREAM_REQUEST
from protocol.errors import StreamError
from protocol.latest import Board
from protocol.messages.stream import AccountRole, Latest, Record
from protocol.places import Door, endpoint
from protocol.publisher import Publisher, Source
from protocol.subscriber import Subscriber
from protocol.transport.memory import Network
from protocol.transport.port import Transport
from protocol.transport.zeromq import ZeromqTransport

DEADLINE_S = 20.0
TICK_S = 0.02


class World(Protocol):
    """Where a scenario takes place."""

    tickers: list[Callable[[float], None]]
    runtime_dir: str

    def transport(self) -> Transport:
        """The sockets of one process."""
        ...

    def endpoint(self, name: str, door: Door) -> str:
        """An address of this world."""
        ...

    def stuck_listener(self, endpoint: str) -> AbstractContextManager[object]:
        """Somebody who listens to an outlet and never takes what comes."""
        ...

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the world go on until the condition holds; fails after a deadline."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class MemoryWorld:
    """The simulated network: time is simulated too."""

    def __init__(self, network: Network | None = None) -> None:
        self.network = network or Network(seed=1)
        self.tickers: list[Callable[[float], None]] = []
        self.runtime_dir = "/memory"

    def transport(self) -> Transport:
        return self.network.transport()

    def endpoint(self, name: str, door: Door) -> str:
        return endpoint(self.runtime_dir, name, door)

    def stuck_listener(self, endpoint: str) -> AbstractContextManager[object]:
        # On this network nobody can be slower than the delay: the port's promise is all there is to show.
        return contextlib.closing(self.transport().subscriber(endpoint, lambda frame: None, max_bytes=0))

    async def until(self, condition: Callable[[], bool]) -> None:
        give_up = self.network.now + 600.0
        while not condition():
            assert self.network.now < give_up, "the condition did not come true"
            self.advance(TICK_S)

    def advance(self, seconds: float) -> None:
        for tick in self.tickers:
            tick(self.network.now)
        self.network.run(until=self.network.now + seconds)

    def close(self) -> None:
        self.tickers.clear()


class ZeromqWorld:
    """Real sockets in a directory of their own, on the running loop."""

    def __init__(self) -> None:
        self.tickers: list[Callable[[float], None]] = []
        self.runtime_dir = tempfile.mkdtemp(prefix="zmq-")
        self._transports: list[Transport] = []

    def transport(self) -> Transport:
        transport = ZeromqTransport()
        self._transports.append(transport)
        return transport

    def endpoint(self, name: str, door: Door) -> str:
        return endpoint(self.runtime_dir, name, door)

    @contextlib.contextmanager
    def stuck_listener(self, endpoint: str) -> Iterator[object]:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.rcvhwm = 1
            socket.subscribe(b"")
            socket.connect(endpoint)
            yield socket

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                for tick in self.tickers:
                    tick(asyncio.get_running_loop().time())
                await _pause()

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        shutil.rmtree(self.runtime_dir)


async def _pause() -> None:
    """One turn of a worker's timer."""
    woken = asyncio.Event()
    asyncio.get_running_loop().call_later(TICK_S, woken.set)
    await woken.wait()


Scenario = Callable[[World], Awaitable[None]]


def play(make_world: Callable[[], World], scenario: Scenario) -> None:
    """Run a scenario in a fresh world; an error of any handler fails it."""

    async def run() -> None:
        failures: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        with contextlib.closing(make_world()) as world:
            await scenario(world)
        assert failures == []

    asyncio.run(run())


class Producer:
    """The shell of a publisher. ``life`` tells its processes apart."""

    def __init__(self, world: World, source: Source, name: str = "broker", life: str = "") -> None:
        self._transport = world.transport()
        self._board = Board(life)
        self._publisher = Publisher(source, AccountRole(), self._board)
        self._router = self._transport.router(
            world.endpoint(name, "past"), self._asked, max_bytes=STREAM_REQUEST.max_bytes
        )
        self._outlet = self._transport.publisher(world.endpoint(name, "live"))

    def announce(self, records: tuple[Record, ...]) -> None:
        self._outlet.send(BROADCAST.encode(self._publisher.live(records)))

    def post(self, topic: str, value: int) -> None:
        body = msgspec.Raw(msgspec.msgpack.encode(value))
        self._outlet.send(BROADCAST.encode(self._board.post(topic, 0, body)))

    def tip(self) -> None:
        self._outlet.send(BROADCAST.encode(self._publisher.tip()))

    def kill(self) -> None:
        self._transport.close()

    def _asked(self, identity: bytes, frame: bytes) -> None:
        _, fetch = STREAM_REQUEST.decode(frame)
        self._router.send(identity, STREAM_REPLY.encode(self._publisher.answer(fetch)))


class Consumer:
    """The shell of a subscriber. ``room`` is what it may hold; ``errors`` what the producer is blamed for."""

    def __init__(
        self,
        world: World,
        *,
        journal: str | None = None,
        after: int = 0,
        batch: int = 500,
        room: int = 1000,
        name: str = "broker",
        latest: bool = False,
    ) -> None:
        self.subscriber = Subscriber(name, journal=journal, after=after, batch=batch, latest=latest)
        self.errors: list[StreamError] = []
        self.prices: list[Latest] = []
        self.room = room
        self._now = 0.0
        self._tickers = world.tickers
        self._transport = world.transport()
        self._transport.subscriber(world.endpoint(name, "live"), self._heard, max_bytes=BROADCAST.max_bytes)
        self._dealer = self._transport.dealer(
            world.endpoint(name, "past"), self._answered, max_bytes=STREAM_REPLY.max_bytes
        )
        world.tickers.append(self.tick)

    def tick(self, now: float) -> None:
        self._now = now
        if fetch := self.subscriber.poll(now, self.room):
            self._dealer.send(STREAM_REQUEST.encode(fetch))

    def kill(self) -> None:
        self._tickers.remove(self.tick)
        self._transport.close()

    def _answered(self, frame: bytes) -> None:
        try:
            self.prices += self.subscriber.on_past(STREAM_REPLY.decode(frame)[1], self._now)
        except StreamError as error:
            self.errors.append(error)

    def _heard(self, frame: bytes) -> None:
        _, message = BROADCAST.decode(frame)
        if not isinstance(message, Latest):
            self.subscriber.on_broadcast(message, self._now)
        elif self.subscriber.on_latest(message):
            self.prices.append(message)
