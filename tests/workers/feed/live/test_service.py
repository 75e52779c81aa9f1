"""The live feed's I/O against a local exchange over real sockets: every fault, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from protocol.messages.market import Candle
from tests.support.deadline import until
from tests.support.exchange.capture import Frame
from tests.support.exchange.faults import Faults
from tests.support.exchange.server import LocalExchange, running
from tests.workers.feed.exchanges.markets import MINUTE, SAMPLES, Sample, market
from tests.workers.feed.live.bench import flat_history, quote
from workers.feed.exchanges.port import Exchange
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live.core import LiveCore
from workers.feed.live.internet import Internet
from workers.feed.live.network import Unreachable
from workers.feed.live.reconnect import Reconnect
from workers.feed.live.service import LiveService
from workers.feed.live.settings import LiveSettings
from workers.feed.live.state import LiveState
from workers.shared.core import Step


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


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
        return int(str(self.core.counters()["ticks"]))

    @property
    def candles(self) -> list[Candle]:
        return [it for step in self.steps for it in step.outputs if isinstance(it, Candle)]

    def facts(self, message: str) -> list[Mapping[str, object]]:
        return [line.facts for step in self.steps for line in step.logs if line.message == message]


@asynccontextmanager
async def feeding(
    exchange: Exchange, sample_market: object, url: str, rest_url: str, **settings: object
) -> AsyncIterator[Feed]:
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
    if path.endswith("/time"):
        return json.dumps({"serverTime": wall_ms()})
    return flat_history(query, wall_ms()) if path.endswith("klines") else None


def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reconnects wait milliseconds: real seconds prove nothing here."""
    monkeypatch.setattr(Reconnect, "_delay", lambda *_: 0.01)


@asynccontextmanager
async def binance(**settings: object) -> AsyncIterator[tuple[LocalExchange, Feed]]:
    local = LocalExchange(quotes, rest, lambda _text: '{"result":null,"id":1}')
    async with (
        running(local),
        feeding(EXCHANGES["binance"], market("BTC/USDT"), local.ws_url, local.rest_url, **settings) as feed,
    ):
        yield local, feed


def _back(local: LocalExchange, feed: Feed, connections: int, ticks: int) -> bool:
    return local.connections > connections and feed.ticks > ticks


def pairs() -> list[Any]:
    """Return for each exchange the samples that make up its session; slow are those that wait for a grace."""
    names = (
        "binance-spot_2021",
        "binance-futures_2021",
        "bybit",
        "okx",
        "made/bitunix",
        "bitfinex",
        "made/kraken",
    )
    found = []
    for name in names:
        samples = tuple(it for it in SAMPLES if name in it.source and it.source != "made/bitunix-older")
        marks = [pytest.mark.slow] if name in ("bitfinex", "made/kraken") else []
        found.append(pytest.param(samples, id=name, marks=marks))
    return found


@pytest.mark.req("F1")
@pytest.mark.parametrize("samples", pairs())
def test_each_exchange_streams_from_its_capture_over_real_sockets(samples: tuple[Sample, ...]) -> None:
    """Ticks come out, and the candle that closes in the capture, built or recorded, is final and goes out."""
    first = samples[0]

    async def script(path: str) -> AsyncIterator[Frame]:
        ahead = wall_ms() // MINUTE * MINUTE + MINUTE
        frames = []
        for sample in samples:
            capture = sample.capture
            boundary = -(-capture.first_ms // MINUTE) * MINUTE
            frames += [it for it in capture.shifted(ahead - boundary).frames if it.at_ms < ahead + 5000]
        for frame in sorted(frames, key=lambda it: it.at_ms):
            yield frame
        await asyncio.Event().wait()

    async def main() -> None:
        local = LocalExchange(script)
        async with (
            running(local),
            feeding(first.exchange, first.market, local.ws_url, local.rest_url) as feed,
        ):
            await until(lambda: feed.ticks > 0, what="ticks", state=feed.core.counters)
            if any("made" in it.source or "2021" in it.source for it in samples):
                await until(lambda: feed.candles, what="a candle", state=feed.core.counters)
                assert feed.candles[0].volume > 0
            assert feed.error is None
            assert local.heard

    asyncio.run(main())


@pytest.mark.req("F10")
def test_a_dozen_reconnects_leave_no_task_and_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is counted; afterwards one connection stands, and as many tasks run as before."""
    hasty(monkeypatch)

    async def main() -> None:
        async with binance() as (local, feed):
            await until(lambda: feed.ticks > 3)
            tasks = len(asyncio.all_tasks())
            for n in range(12):
                before = feed.ticks
                local.cut()
                await until(partial(_back, local, feed, n + 1, before + 3))
            assert 12 == feed.core.counters()["reconnects"]
            await until(lambda: 1 == len(local.standing))
            await until(lambda: len(asyncio.all_tasks()) <= tasks, state=asyncio.all_tasks)

    asyncio.run(main())


@pytest.mark.req("F5")
def test_garbage_wrong_types_and_duplicates_between_good_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejections grow, ticks flow, the connection stays."""

    async def main() -> None:
        async with binance() as (local, feed):
            local.faults = Faults(garbage=True, duplicate=True)
            await until(lambda: int(str(feed.core.counters()["rejected"])) > 30)
            before = feed.ticks
            await until(lambda: feed.ticks > before + 10)
            assert 1 == local.connections
            kinds = {facts["kind"] for facts in feed.facts("data rejected")}
            assert {"json", "type"} <= kinds

    asyncio.run(main())


@pytest.mark.req("F3")
def test_a_cut_after_each_few_frames_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Good data reset the count of failures, so that a bad line is not the end."""
    hasty(monkeypatch)

    async def main() -> None:
        async with binance() as (local, feed):
            local.faults = Faults(cut_after=3)
            await until(lambda: local.connections > 15, state=lambda: local.connections)
            assert feed.error is None

    asyncio.run(main())


@pytest.mark.req("F3")
def test_an_exchange_that_refuses_everyone_ends_the_feed_after_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the market and the last trouble."""
    hasty(monkeypatch)

    async def main() -> None:
        async with binance() as (local, feed):
            local.faults = Faults(refuse=True)
            local.cut()
            await until(lambda: feed.error is not None)
            assert "10 connections in a row failed" in str(feed.error)

    asyncio.run(main())


@pytest.mark.req("F3")
def test_server_shutdown_is_answered_by_a_new_connection() -> None:
    """The old one is left in good order."""

    async def main() -> None:
        async with binance() as (local, feed):
            local.faults = Faults(shutdown_after=5)
            await until(lambda: local.connections > 1)
            assert feed.facts("connection renewed")

    asyncio.run(main())


@pytest.mark.req("F5")
def test_a_burst_and_a_slow_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand frames at once are all taken; one every 50 ms is no reason for anything."""

    async def burst(_path: str) -> AsyncIterator[Frame]:
        for _ in range(2000):
            yield Frame(wall_ms(), quote(wall_ms()))
        async for frame in quotes(""):
            yield frame

    async def main() -> None:
        async with binance() as (local, feed):
            local.script = burst
            local.faults = Faults(slow_s=0.05)
            before = feed.ticks
            await until(lambda: feed.ticks > before + 3)
            local.faults = Faults()
            hasty(monkeypatch)
            local.cut()
            await until(lambda: feed.ticks > 2000, state=lambda: feed.ticks)
            assert feed.error is None

    asyncio.run(main())


@pytest.mark.req("F7")
@pytest.mark.parametrize("status", [429, 418])
def test_retry_after_comes_through_from_the_headers(status: int) -> None:
    """What HTTP says is what the core obeys."""

    async def main() -> None:
        local = LocalExchange(quotes, rest, faults=Faults(status=status, retry_after="77"))
        async with (
            running(local),
            feeding(
                EXCHANGES["binance"], market("BTC/USDT"), local.ws_url, local.rest_url, history=5
            ) as feed,
        ):
            await until(lambda: feed.facts("history not answered"))
            [facts] = feed.facts("history not answered")
            assert (status, 77.0) == (facts["status"], facts["rests"])

    asyncio.run(main())


@pytest.mark.req("F7")
def test_history_comes_by_rest_at_the_first_start() -> None:
    """Ten minutes of it, all marked, before the first live candle."""

    async def main() -> None:
        async with binance(history=10) as (_local, feed):
            await until(lambda: len(feed.candles) >= 9, state=feed.core.counters)
            assert all(candle.backfilled for candle in feed.candles)

    asyncio.run(main())


@pytest.mark.req("F3")
@pytest.mark.parametrize(
    ("url", "tls", "words"),
    [
        ("wss://exchange.invalid", False, "the name exchange.invalid does not resolve"),
        ("wss://127.0.0.1:{port}", True, "the certificate of 127.0.0.1 is not trusted"),
        ("wss://127.0.0.1:{port}", False, "127.0.0.1 broke the connection off"),
        ("ws://127.0.0.1:1", False, "127.0.0.1 cannot be reached"),
    ],
)
def test_dns_tls_and_refusal_are_told_in_a_sentence_and_tried_again(
    url: str, tls: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is in the log and in the health, and the next try is announced."""
    hasty(monkeypatch)

    async def main() -> None:
        local = LocalExchange(quotes, rest, tls=tls)
        async with (
            running(local),
            feeding(
                EXCHANGES["binance"], market("BTC/USDT"), url.format(port=local.port), local.rest_url
            ) as feed,
        ):
            await until(lambda: len(feed.facts("connection lost")) > 1)
            assert words in str(feed.facts("connection lost")[0]["why"])

    asyncio.run(main())


@pytest.mark.req("F3")
def test_http_says_what_went_wrong() -> None:
    """No server, no name, no HTTP: each is one Unreachable with a sentence."""

    async def main() -> None:
        internet = Internet()
        for url, words in (
            ("http://127.0.0.1:1/x", "127.0.0.1 cannot be reached"),
            ("https://exchange.invalid/x", "does not resolve"),
        ):
            with pytest.raises(Unreachable, match=words):
                await internet.get(url)

        async def mumble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"I do not speak HTTP\r\n\r\n")
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(mumble, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="not HTTP"):
            await internet.get(f"http://127.0.0.1:{port}/x")
        server.close()
        await server.wait_closed()

    asyncio.run(main())


@pytest.mark.req("F2")
def test_a_half_open_connection_is_dropped_for_the_missing_pong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read nor sent by the other side: the pong does not come, and a new connection is made."""
    hasty(monkeypatch)
    monkeypatch.setattr("workers.feed.live.clocks.PING_S", 0.1)
    monkeypatch.setattr("workers.feed.live.clocks.PONG_S", 0.2)

    async def main() -> None:
        async with binance() as (local, feed):
            await until(lambda: feed.ticks > 10)
            assert 1 == local.connections
            local.faults = Faults(silence="half-open")
            await until(lambda: local.connections > 1)
            assert "no pong" in str(feed.facts("connection lost")[0]["why"])
            local.faults = replace(local.faults, silence="no")
            before = feed.ticks
            await until(lambda: feed.ticks > before)

    asyncio.run(main())
