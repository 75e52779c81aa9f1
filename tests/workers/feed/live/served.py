"""A live core and its service on a local exchange, over real sockets, driven as the shell does.

Its time runs as fast as ours and begins in the middle of a minute, whatever minute it is out there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from protocol.messages.market import Candle
from protocol.messages.tick import Tick
from tests.support.deadline import until
from tests.support.exchange.capture import Frame
from tests.support.exchange.server import LocalExchange, Script, running
from tests.workers.feed.exchanges.markets import MINUTE, market
from tests.workers.feed.live.bench import START_MS, flat_history, quote
from workers.feed.exchanges.port import Exchange
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live.core import LiveCore
from workers.feed.live.internet import Internet
from workers.feed.live.reconnect import Reconnect
from workers.feed.live.service import LiveService
from workers.feed.live.settings import LiveSettings
from workers.feed.live.state import LiveState
from workers.shared.core import Step


@dataclass
class Clock:
    """UTC milliseconds; ``begin`` sets it to the 20th second of a minute of long ago."""

    begun: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        self.begun = time.monotonic()

    def __call__(self) -> int:
        return START_MS + 20_000 + round((time.monotonic() - self.begun) * 1000)


wall_ms = Clock()


@dataclass
class Feed:
    """A core and its service, driven as the shell does."""

    core: LiveCore
    steps: list[Step] = field(default_factory=list)
    error: Exception | None = None

    def turn(self) -> None:
        try:
            self.core.advance(asyncio.get_running_loop().time(), wall_ms())
            while (step := self.core.step()) is not None:
                self.steps.append(step)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    async def drive(self, woken: asyncio.Event) -> None:
        while True:
            self.turn()
            woken.clear()
            wait_s = max((self.core.deadline or 0.0) - asyncio.get_running_loop().time(), 0.001)
            # wait_for of Python 3.11 may swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await woken.wait()

    @property
    def ticks(self) -> int:
        return self.count("ticks")

    @property
    def candles(self) -> list[Candle]:
        return [it for step in self.steps for it in step.outputs if isinstance(it, Candle)]

    @property
    def prices(self) -> list[Tick]:
        """What was told live, prices and the state of the market."""
        return [it for step in self.steps for it in step.ticks]

    def count(self, name: str) -> int:
        """A counter that is a number."""
        return int(str(self.core.counters()[name]))

    def facts(self, message: str) -> list[Mapping[str, object]]:
        return [line.facts for step in self.steps for line in step.logs if line.message == message]


@asynccontextmanager
async def feeding(
    exchange: Exchange, sample_market: object, url: str, rest_url: str, **settings: object
) -> AsyncIterator[Feed]:
    wall_ms.begin()
    core = LiveCore(
        exchange,
        LiveSettings(
            symbol="BTC/USDT",
            market=sample_market,  # type: ignore[arg-type]
            timeframe="1m",
            length_ms=MINUTE,
            base_url=url,
            **{"history": 0, **settings},  # type: ignore[arg-type]
        ),
        LiveState(market="test"),
        lambda: 0.0,
    )
    feed, woken = Feed(core), asyncio.Event()
    service = asyncio.create_task(_serve(LiveService(core, Internet(), rest_url, wall_ms), woken.set))
    driver = asyncio.create_task(feed.drive(woken))
    try:
        yield feed
    finally:
        for task in (service, driver):
            task.cancel()
        results = await asyncio.gather(service, driver, return_exceptions=True)
        assert all(isinstance(it, asyncio.CancelledError) for it in results), results
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not [task for task in left if "live" in repr(task.get_coro())]


async def _serve(service: LiveService, wake: Callable[[], None]) -> None:
    await service(wake)


async def quotes(_path: str) -> AsyncIterator[Frame]:
    """Send a quote every few milliseconds, for ever."""
    while True:
        yield Frame(wall_ms(), quote(wall_ms()))
        await asyncio.sleep(0.005)


def rest(path: str, query: Mapping[str, str]) -> str | None:
    """Answer with the time, or with flat candles."""
    if path.endswith("/time"):
        return json.dumps({"serverTime": wall_ms(), "time": wall_ms()})
    return flat_history(query, wall_ms()) if path.endswith("klines") else None


def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reconnects wait milliseconds: real seconds prove nothing here."""
    monkeypatch.setattr(Reconnect, "_delay", lambda *_: 0.01)


@asynccontextmanager
async def served(
    script: Script = quotes, name: str = "binance", *, tls: bool = False, **settings: object
) -> AsyncIterator[tuple[LocalExchange, Feed]]:
    """Have the feed of a local exchange that plays ``script``."""
    local = LocalExchange(
        script, rest, lambda _text: '{"result":null,"id":1,"success":true}', tls=tls, wall_ms=wall_ms
    )
    async with (
        running(local),
        feeding(EXCHANGES[name], market("BTC/USDT"), local.ws_url, local.rest_url, **settings) as feed,
    ):
        yield local, feed


async def lively(feed: Feed, more: int = 5) -> None:
    """Wait until so many further ticks have come."""
    enough = feed.ticks + more
    await until(lambda: feed.ticks >= enough, what="ticks", state=feed.core.counters)


def whys(feed: Feed) -> list[str]:
    """Why connections were lost."""
    return [str(facts["why"]) for facts in feed.facts("connection lost")]
