"""Two real workers of the latency benchmark: a feed and a strategy that say what they are told to, at once.

They are told through a datagram socket whose path is the key ``door`` of their config.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from protocol.codec import MARKET, STRATEGY, TICKS
from protocol.messages.control import Launch
from protocol.messages.market import Instrument
from protocol.messages.stream import MarketRole, OrdersRole, Record, Role
from workers.shared.config import WorkerConfig
from workers.shared.core import Step
from workers.shared.process import run
from workers.shared.worker import Context, Worker

SYMBOL = "BTC/USDT"
MARKET_ROLE = MarketRole(
    symbol=SYMBOL,
    timeframe="1h",
    instrument=Instrument(tick=Decimal("0.01"), step=Decimal("0.001"), contract="linear"),
    lockstep=False,
)


class Config(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``door``: the path of the socket to listen on, from the tree file."""

    door: str


class Echo:
    """A core without inputs whose steps are made elsewhere."""

    def __init__(self) -> None:
        self.steps: deque[Step] = deque()

    def introduce(self, source: str, role: Role) -> None:
        """There is nobody to meet."""

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Nothing comes."""

    def room(self, source: str) -> int:
        """Return 0."""
        return 0

    def step(self) -> Step | None:
        """Return the next step that was made."""
        return self.steps.popleft() if self.steps else None

    @property
    def waiting_for(self) -> str | None:
        """Nothing."""
        return None

    def counters(self) -> dict[str, int | str | None]:
        """Return none."""
        return {}


def feed(launch: Launch) -> int:
    """Tell each tick that comes through the door."""
    return run(launch, lambda context: _built(context, MARKET_ROLE, MARKET.encode, _told_tick))


def strategy(launch: Launch) -> int:
    """Send each order that comes through the door."""
    role = OrdersRole(strategy=launch.child)
    return run(launch, lambda context: _built(context, role, STRATEGY.encode, _told_order))


def _told_tick(body: msgspec.Raw) -> Step:
    return Step(ticks=(TICKS.decode(body),))


def _told_order(body: msgspec.Raw) -> Step:
    return Step(outputs=(STRATEGY.decode(body),))


def _built(
    context: Context, role: Role, encode: Callable[..., msgspec.Raw], made: Callable[[msgspec.Raw], Step]
) -> Worker:
    core, door = Echo(), context.path(context.config(Config).door)

    async def listen(wake: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listening:
            listening.bind(str(door))

            def take() -> None:
                core.steps.append(made(msgspec.Raw(listening.recv(65536))))
                wake()

            loop.add_reader(listening, take)
            try:
                await asyncio.Event().wait()
            finally:
                loop.remove_reader(listening)

    return Worker(core=core, journal=context.open_journal(), role=role, encode=encode, services=(listen,))
