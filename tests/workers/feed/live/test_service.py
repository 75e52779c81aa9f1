"""The live feed's I/O against a local exchange over real sockets: every fault, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from tests.support.deadline import until
from tests.support.exchange.capture import Frame
from tests.support.exchange.faults import Faults
from tests.support.exchange.server import LocalExchange, running
from tests.workers.feed.exchanges.markets import MINUTE, SAMPLES, Sample
from tests.workers.feed.live.served import feeding, hasty, served, wall_ms
from workers.feed.live.internet import Internet
from workers.feed.live.network import Unreachable


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
@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_reconnects_leave_no_task_and_no_socket(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is counted; afterwards one connection stands, and as much is open and at work as before."""
    hasty(monkeypatch)
    me = psutil.Process()

    async def main() -> None:
        async with served() as (local, feed):
            await until(lambda: feed.ticks > 3 and feed.core.counters()["skew_ms"] is not None)
            tasks, descriptors = len(asyncio.all_tasks()), me.num_fds()
            local.faults = Faults(cut_after=2)
            await until(lambda: local.connections > count, 120, state=lambda: local.connections)
            local.faults = Faults()
            before = feed.ticks
            await until(lambda: feed.ticks > before + 10)
            assert local.connections - 1 == feed.count("reconnects")
            await until(lambda: 1 == len(local.standing) == feed.count("sessions"))
            await until(lambda: len(asyncio.all_tasks()) <= tasks, state=asyncio.all_tasks)
            await until(lambda: me.num_fds() <= descriptors)

    asyncio.run(main())


@pytest.mark.req("F7")
def test_history_comes_by_rest_at_the_first_start() -> None:
    """Ten minutes of it, all marked, before the first live candle."""

    async def main() -> None:
        async with served(history=10) as (_local, feed):
            await until(lambda: len(feed.candles) >= 9, state=feed.core.counters)
            assert all(candle.backfilled for candle in feed.candles)

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
