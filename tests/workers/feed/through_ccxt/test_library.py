"""The real library, where the extra is installed, against a local exchange of Binance's language."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from tests.support.deadline import until
from tests.support.exchange.capture import MINUTE_MS, Frame, answer
from tests.support.exchange.faults import Faults
from tests.support.exchange.history import past
from tests.support.exchange.server import LocalExchange, now_ms, running
from tests.workers.feed.exchanges.markets import market
from tests.workers.feed.live.bench import quote, trade
from workers.feed.config import FeedConfig
from workers.feed.exchanges.events import BadFrame, BestQuote, Event, Print, UnknownMarket
from workers.feed.exchanges.port import Request
from workers.feed.live.network import Response, Unreachable
from workers.feed.through_ccxt.app import build
from workers.feed.through_ccxt.aside import Aside
from workers.feed.through_ccxt.exchange import CcxtExchange

BROKEN = '{"e":"trade","s":"BTCUSDT","T":1795192734163,"p":"100","q":"1","m":false,"t":{"a":[]}}'


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """The import starts what stays for the whole process, which is no leak of a test."""
    pytest.importorskip("ccxt.pro", reason="the extra ccxt is not installed")


async def script(_path: str) -> AsyncIterator[Frame]:
    """Send what the library cannot take, then a quote and a trade again and again."""
    yield Frame(now_ms(), "[1")
    for n in range(10_000):
        at_ms = now_ms()
        yield Frame(at_ms, quote(at_ms))
        yield Frame(at_ms, trade(at_ms, n, price="100.5"))
        await asyncio.sleep(0.01)


def rest(path: str, query: Mapping[str, str]) -> str | None:
    """Answer for the spot markets; of futures there are none."""
    if path == "/api/v3/exchangeInfo":
        return answer("api/v3/exchangeInfo")
    if path.endswith("exchangeInfo"):
        return '{"symbols":[]}'
    return past("binance", path, "100.5", now_ms() // MINUTE_MS * MINUTE_MS, 5)


class Real:
    """Exchange and network as the feed makes them, pointed at a local exchange."""

    def __init__(self, server: LocalExchange) -> None:
        config = FeedConfig(
            source="exchange", exchange="ccxt:binance", ws_url=server.ws_url, rest_url=server.rest_url
        )
        self.server = server
        made: tuple[CcxtExchange, Aside] = build(config, "feed")
        self.exchange, self.network = made

    async def ask(self, request: Request) -> Response:
        """Ask as the service does."""
        query = "&".join(f"{key}={value}" for key, value in request.query.items())
        return await self.network.get(f"{self.exchange.rest_base('spot')}{request.path}?{query}")

    async def events(self, enough: int) -> list[Event | BadFrame]:
        """Return what is heard, bad frames included."""
        [line] = self.exchange.lines(SPOT)
        session, found = self.exchange.session(SPOT), list[Event | BadFrame]()
        async with asyncio.timeout(60), self.network.connect(line.base + line.path) as connection:
            async for frame in connection.frames():
                try:
                    found += session.parse(frame)
                except BadFrame as error:
                    found.append(error)
                if len(found) >= enough:
                    break
        return found


SPOT = market("BTC/USDT")


def tried(act: Any) -> Any:
    """Run ``act`` on the real library beside a local exchange."""

    async def run() -> Any:
        async with running(LocalExchange(script, rest)) as server:
            real = Real(server)
            try:
                return await act(real)
            finally:
                await asyncio.to_thread(real.network.close)

    return asyncio.run(run())


@pytest.mark.req("F1")
def test_markets_and_history_of_the_real_library_parse() -> None:
    """Prices keep their digits; an unknown market is one."""

    async def act(real: Real) -> None:
        found = await real.ask(real.exchange.instrument(SPOT))
        grids = real.exchange.parse_instrument(SPOT, found.body)
        past = await real.ask(real.exchange.history(SPOT, 0, 5))
        klines = real.exchange.parse_history(SPOT, past.body)
        nowhere = market("FOO/USDT")
        unknown = await real.ask(real.exchange.instrument(nowhere))

        assert ("0.01000000", "0.00001000", "10.00000000", "spot") == (
            str(grids.tick), str(grids.step), str(grids.min_notional), grids.contract,
        )  # fmt: skip
        assert (5, {"100.5"}) == (len(klines), {str(kline.close) for kline in klines})
        with pytest.raises(UnknownMarket, match="FOO/USDT"):
            real.exchange.parse_instrument(nowhere, unknown.body)

    tried(act)


@pytest.mark.req("F5")
def test_a_frame_that_breaks_the_real_library_ends_neither_loop_nor_stream() -> None:
    """Unguarded it would hear nothing more, and say nothing."""

    async def act(real: Real) -> None:
        found = await real.events(30)
        kinds = {type(event) for event in found}

        assert {BestQuote, Print, BadFrame} == kinds
        assert {"ccxt"} == {event.kind for event in found if isinstance(event, BadFrame)}
        assert {"100.5"} == {str(event.price) for event in found if isinstance(event, Print)}

    tried(act)


@pytest.mark.req("F7")
@pytest.mark.parametrize(("status", "retry_after", "rests_s"), [(429, "9", 9.0), (418, None, None)])
def test_refusals_reach_us_as_they_are(status: int, retry_after: str | None, rests_s: float | None) -> None:
    """The library hides the status in a sentence, and Retry-After in the headers it keeps."""

    async def act(real: Real) -> None:
        await real.ask(real.exchange.instrument(SPOT))
        real.server.faults = Faults(status=status, retry_after=retry_after)
        found = await real.ask(real.exchange.history(SPOT, 0, 5))

        assert Response(status, b"", rests_s) == found

    tried(act)


@pytest.mark.req("F3", "F10")
def test_a_cut_is_a_lost_connection_and_leaves_nothing_behind() -> None:
    """Again and again; the leak check of the suite looks after each test."""

    async def act(real: Real) -> None:
        real.server.faults = Faults(cut_after=5)
        for _ in range(5):
            with pytest.raises(Unreachable, match="ccxt: "):
                await real.events(1000)
        await until(lambda: not real.server.standing, what="all connections to be closed")

    tried(act)
