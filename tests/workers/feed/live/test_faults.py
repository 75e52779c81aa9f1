"""Every way in which the local exchange misbehaves, one by one: what it costs, and that the feed goes on."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator

import pytest

from protocol.messages.tick import MarketState, Quote, Trade
from tests.support.deadline import until
from tests.support.exchange.capture import Frame
from tests.support.exchange.faults import Faults
from tests.support.exchange.server import LocalExchange, Script, running
from tests.workers.feed.exchanges.markets import MINUTE, market
from tests.workers.feed.live.bench import kline, trade
from tests.workers.feed.live.served import Feed, feeding, hasty, lively, quotes, rest, served, wall_ms, whys
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live.errors import NoData


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnects wait milliseconds: real seconds prove nothing here."""
    hasty(monkeypatch)


def sending(*texts: str) -> Script:
    """Return a script of these frames, behind which quotes go on for ever."""

    async def script(_path: str) -> AsyncIterator[Frame]:
        for text in texts:
            yield Frame(wall_ms(), text)
        async for frame in quotes(""):
            yield frame

    return script


def trades(feed: Feed) -> list[str | None]:
    """Return the ids of the trades that went out."""
    return [it.trade_id for it in feed.prices if isinstance(it, Trade)]


def minute() -> int:
    """When the minute of now began."""
    return wall_ms() // MINUTE * MINUTE


@pytest.mark.req("F5")
def test_garbage_and_wrong_types_are_counted_and_the_connection_stays() -> None:
    """Rejections grow by kind, ticks flow, no reconnect."""

    async def main() -> None:
        async with served() as (local, feed):
            local.faults = Faults(garbage=True)
            await until(lambda: feed.count("rejected") > 30)
            await lively(feed)
            kinds = {facts["kind"] for facts in feed.facts("data rejected")}
            assert {"json", "type"} <= kinds
            assert (1, 0) == (local.connections, feed.count("reconnects"))

    asyncio.run(main())


@pytest.mark.req("F5")
def test_duplicates_go_out_once_and_are_no_fault() -> None:
    """Every frame comes twice: each trade and each candle goes out once, nothing is rejected or revised."""

    async def script(path: str) -> AsyncIterator[Frame]:
        at_ms = wall_ms()
        prints = [trade(at_ms, number) for number in range(1, 51)]
        async for frame in sending(*prints, kline(minute(), closed=True))(path):
            yield frame

    async def main() -> None:
        async with served(script) as (local, feed):
            local.faults = Faults(duplicate=True)
            await until(lambda: feed.candles, state=feed.core.counters)
            await lively(feed)
            assert [str(n) for n in range(1, 51)] == trades(feed)
            assert 1 == len(feed.candles)
            assert (0, 0) == (feed.count("rejected"), feed.count("revisions"))

    asyncio.run(main())


@pytest.mark.req("F5")
def test_frames_out_of_order_make_no_time_run_backwards() -> None:
    """Of each two the second comes first: what goes out only ever grows in time, nothing is rejected."""

    async def main() -> None:
        async with served() as (local, feed):
            local.faults = Faults(out_of_order=True)
            await lively(feed, 20)
            times = [it.at_ms for it in feed.prices if isinstance(it, Quote)]
            assert times == sorted(times)
            assert feed.ticks < local.served
            assert 0 == feed.count("rejected")

    asyncio.run(main())


@pytest.mark.req("F6")
def test_two_candles_in_one_frame_are_two_candles() -> None:
    """Bybit's closing candle and the first version of the next come as one: the closed one goes out, once."""

    def candle(open_ms: int, close: int, *, confirm: bool) -> str:
        row = {"start": open_ms, "confirm": confirm, "interval": "1", "open": "100", "high": "200"}
        row |= {"low": "50", "close": str(close), "volume": "5"}
        frame = {"topic": "kline.1.BTCUSDT", "type": "snapshot", "ts": wall_ms(), "data": [row]}
        return json.dumps(frame, separators=(",", ":"))

    async def script(_path: str) -> AsyncIterator[Frame]:
        yield Frame(wall_ms(), candle(minute(), 101, confirm=True))
        yield Frame(wall_ms(), candle(minute() + MINUTE, 102, confirm=False))
        await asyncio.Event().wait()

    async def main() -> None:
        async with served(script, "bybit") as (local, feed):
            local.faults = Faults(paired=True)
            await until(lambda: feed.candles, state=feed.core.counters)
            assert ["101"] == [str(it.close) for it in feed.candles]
            assert (2, []) == (local.served, feed.facts("data rejected"))

    asyncio.run(main())


@pytest.mark.req("F6")
def test_a_late_close_counts_within_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next minute has begun when the closing frame comes: its values go out, and nothing is revised."""
    monkeypatch.setattr("workers.feed.live.finality.GRACE_S", 60.0)

    async def script(path: str) -> AsyncIterator[Frame]:
        at = minute()
        frames = (kline(at, 101), kline(at, 105, closed=True), kline(at + MINUTE, 106))
        async for frame in sending(*frames)(path):
            yield frame

    async def main() -> None:
        async with served(script) as (local, feed):
            local.faults = Faults(late_close_s=0.3)
            await until(lambda: feed.candles, state=feed.core.counters)
            assert ["105"] == [str(it.close) for it in feed.candles]
            assert 0 == feed.count("revisions")

    asyncio.run(main())


@pytest.mark.req("F5")
def test_a_slow_exchange_is_no_reason_for_anything() -> None:
    """One frame in 50 ms: one connection, nothing rejected."""

    async def main() -> None:
        async with served() as (local, feed):
            local.faults = Faults(slow_s=0.05)
            await lively(feed)
            assert (1, 0, 0) == (local.connections, feed.count("rejected"), feed.count("reconnects"))

    asyncio.run(main())


@pytest.mark.req("F5")
def test_a_burst_loses_nothing() -> None:
    """Two thousand trades at once all go out, in order."""

    async def script(path: str) -> AsyncIterator[Frame]:
        at_ms = wall_ms()
        async for frame in sending(*(trade(at_ms, n) for n in range(1, 2001)))(path):
            yield frame

    async def main() -> None:
        async with served(script) as (local, feed):
            # Beside the trades it tells how the market is, once or twice.
            await until(lambda: "2000" in trades(feed), state=feed.core.counters)
            assert [str(n) for n in range(1, 2001)] == trades(feed)
            assert (1, 0) == (local.connections, feed.count("rejected"))

    asyncio.run(main())


@pytest.mark.req("F2")
def test_silence_after_the_acknowledgement_costs_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes for the length of the clock of data: a new connection is made, again and again."""
    monkeypatch.setattr("workers.feed.live.clocks.SILENCE_S", 0.2)

    async def main() -> None:
        async with served() as (local, feed):
            local.faults = Faults(silence="after the acknowledgement")
            await until(lambda: local.connections > 2)
            assert {"no data for 0.2 s"} == set(whys(feed))
            local.faults = Faults()
            await lively(feed)

    asyncio.run(main())


@pytest.mark.req("F4")
def test_silence_for_long_enough_ends_the_feed() -> None:
    """The process is to end as stale, so that a fresh one tries."""

    async def main() -> None:
        async with served(stale_after_s=1.0) as (local, feed):
            local.faults = Faults(silence="after the acknowledgement")
            await until(lambda: feed.error is not None, state=feed.core.counters)
            assert isinstance(feed.error, NoData)
            assert "no data for" in str(feed.error)

    asyncio.run(main())


@pytest.mark.req("F2")
def test_candles_that_never_come_cost_one_connection_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades come and their candle does not: a new connection is tried once, then health says so."""
    monkeypatch.setattr("workers.feed.live.clocks.SILENCE_S", 0.2)

    async def script(_path: str) -> AsyncIterator[Frame]:
        for number in itertools.count(wall_ms()):
            yield Frame(wall_ms(), trade(wall_ms(), number))
            yield Frame(wall_ms(), kline(minute()))
            await asyncio.sleep(0.005)

    async def main() -> None:
        async with served(script) as (local, feed):
            local.faults = Faults(candleless=True)
            await until(lambda: "no candles from the exchange" in feed.core.condition().reasons)
            await lively(feed, 100)
            # On a slow machine all else may have been silent for as long, too.
            assert 1 >= whys(feed).count("no candles for 0.2 s")
            assert local.connections > 1
            local.faults = Faults()
            await until(lambda: "no candles from the exchange" not in feed.core.condition().reasons)

    asyncio.run(main())


@pytest.mark.req("F2")
@pytest.mark.parametrize(
    "fault", [Faults(silence="half-open"), Faults(pong=False)], ids=["half-open", "no pong"]
)
def test_a_missing_pong_costs_the_connection(fault: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether data flow or not: the ping is not answered, and a new connection is made."""
    monkeypatch.setattr("workers.feed.live.clocks.PING_S", 0.1)
    monkeypatch.setattr("workers.feed.live.clocks.PONG_S", 0.2)

    async def main() -> None:
        async with served() as (local, feed):
            await lively(feed, 10)
            before = local.connections
            local.faults = fault
            await until(lambda: local.connections > before)
            assert {"no pong within 0.2 s"} == set(whys(feed))
            local.faults = Faults()
            await lively(feed)

    asyncio.run(main())


@pytest.mark.req("F3")
def test_a_cut_after_each_few_frames_is_survived() -> None:
    """Good data reset the count of failures, so that a bad line is not the end."""

    async def main() -> None:
        async with served() as (local, feed):
            local.faults = Faults(cut_after=3)
            await until(lambda: local.connections > 15, state=lambda: local.connections)
            assert feed.error is None
            assert {"the connection was cut"} == set(whys(feed))

    asyncio.run(main())


@pytest.mark.req("F3")
def test_server_shutdown_is_answered_by_a_new_connection() -> None:
    """The old one is left in good order: nothing counts as lost."""

    async def main() -> None:
        async with served() as (local, feed):
            local.faults = Faults(shutdown_after=5)
            await until(lambda: local.connections > 1)
            assert feed.facts("connection renewed")
            assert [] == whys(feed)

    asyncio.run(main())


@pytest.mark.req("F5")
@pytest.mark.parametrize("skew_ms", [20_000, -20_000])
def test_a_skewed_clock_is_measured_and_told(skew_ms: int) -> None:
    """The exchange's prices are taken by its clock, health is degraded, and the broker learns how far."""

    async def main() -> None:
        local = LocalExchange(quotes, faults=Faults(skew_ms=skew_ms), wall_ms=wall_ms)
        local.rest = lambda path, query: (
            json.dumps({"serverTime": local.clock_ms}) if path.endswith("/time") else rest(path, query)
        )
        async with (
            running(local),
            feeding(EXCHANGES["binance"], market("BTC/USDT"), local.ws_url, local.rest_url) as feed,
        ):
            await until(lambda: feed.core.counters()["skew_ms"] is not None, state=feed.core.counters)
            await lively(feed)
            [reason] = feed.core.condition().reasons
            told = [it.skew_ms for it in feed.prices if isinstance(it, MarketState)][-1]
            assert f"clock skew {told} ms" == reason
            # Wrong by half the way there and back at most, on however slow a machine.
            assert told is not None
            assert abs(told - skew_ms) < 10_000

    asyncio.run(main())
