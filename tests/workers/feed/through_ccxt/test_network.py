"""The library behind the port of the network: bounded, guarded, closed; also in a thread."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest

from tests.workers.feed.through_ccxt.fake import MARKET, Banned, Limited, World
from workers.feed.live.network import Network, Response, Unreachable
from workers.feed.through_ccxt.aside import Aside
from workers.feed.through_ccxt.library import Library
from workers.feed.through_ccxt.network import CcxtNetwork

URL = "ccxt://fake/BTC/USDT?watchTrades&watchBidsAsks"
CANDLES = "ccxt://fake/candles?symbol=BTC/USDT&timeframe=1m&since=0&limit=5"
GRIDS = "ccxt://fake/market?symbol={}"
Make = Callable[[World], Network]


def straight(world: World, call_s: float = 20.0) -> CcxtNetwork:
    return CcxtNetwork(Library(world, "fake"), call_s=call_s, close_s=0.1)


@pytest.fixture(params=["straight", "aside"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make the network, as it is or in a thread, which ends with the test."""
    made: list[Aside] = []

    def aside(world: World) -> Network:
        made.append(Aside(straight(world)))
        return made[-1]

    yield straight if request.param == "straight" else aside
    for it in made:
        it.close()


def heard(network: Network, count: int, url: str = URL) -> list[Any]:
    """Return the first frames of a connection. Raises what ends it."""

    async def listen() -> list[Any]:
        found: list[Any] = []
        async with asyncio.timeout(20), network.connect(url) as connection:
            async for frame in connection.frames():
                found.append(json.loads(frame))
                if len(found) == count:
                    break
        return found

    return asyncio.run(listen())


def asked(network: Network, url: str) -> Response:
    async def ask() -> Response:
        async with asyncio.timeout(20):
            return await network.get(url)

    return asyncio.run(ask())


@pytest.mark.req("F1")
def test_what_it_tells_comes_as_frames_of_json(make: Make) -> None:
    """Each trade and each quote by itself, with what a unit of the amounts stands for."""
    world = World(trades=[[{"price": "1"}, {"price": "2"}], [{"price": "3"}]], quotes=[{"bid": "3"}])
    found = heard(make(world), 4)

    assert ["1", "2", "3"] == [it["trade"]["price"] for it in found if "trade" in it]
    assert [{"bid": "3"}] == [it["ticker"] for it in found if "ticker" in it]
    assert {"1"} == {it["size"] for it in found}


@pytest.mark.req("F5")
def test_a_malformed_frame_is_told_and_ends_nothing(make: Make) -> None:
    """By itself ccxt raises in a callback of the loop, hears no more, and says nothing."""
    world = World(frames=[TypeError("can only concatenate str")], trades=[[{"price": "1"}]])
    found = heard(make(world), 2)

    assert ["TypeError: can only concatenate str"] == [it["bad"] for it in found if "bad" in it]
    assert 1 == len([it for it in found if "trade" in it])


@pytest.mark.req("F5")
def test_what_is_no_data_is_told_as_a_bad_frame(make: Make) -> None:
    """An object that nobody can write as JSON."""
    [found] = heard(make(World(trades=[[object()]])), 1)

    assert "what ccxt returned is no data: TypeError" == found["bad"]


@pytest.mark.req("F3")
@pytest.mark.parametrize("answers", [{"trades": [KeyError("s")]}, {"markets": [OSError("no route")]}])
def test_an_error_of_the_library_is_a_lost_connection_with_its_words(
    make: Make, answers: dict[str, list[Any]]
) -> None:
    """Whatever it raises, watching or before; the client is closed."""
    world = World(**answers)
    with pytest.raises(Unreachable, match=r"ccxt: (KeyError: 's'|OSError: no route)"):
        heard(make(world), 1)

    assert [True] == [client.closed for client in world.clients]


@pytest.mark.req("F10")
def test_over_many_connections_every_client_is_closed_and_no_thread_is_left(make: Make) -> None:
    """Also where the library hangs in its close; at most one thread is there for all of them."""
    before = threading.active_count()
    world = World(trades=repeat([{"price": "1"}]))
    network = make(world)
    for _ in range(19):
        heard(network, 1)
    world.hangs_in_close = True
    heard(network, 1)

    assert [True] * 20 == [client.closed for client in world.clients]
    assert before + isinstance(network, Aside) == threading.active_count()


@pytest.mark.req("F1")
def test_the_markets_are_loaded_once_and_later_clients_know_only_ours(make: Make) -> None:
    """All markets of an exchange in each new client would be a second of the processor."""
    world = World(candles=[[], []], trades=[[{"price": "1"}]])
    network = make(world)
    assert [Response(200, b"[]")] * 2 == [asked(network, CANDLES), asked(network, CANDLES)]
    heard(network, 1)

    assert 1 == world.loads
    assert ["BTC/USDT"] == list(world.clients[-1].markets)
    assert {str} == {client.number for client in world.clients}


@pytest.mark.req("F7")
@pytest.mark.parametrize(
    ("raised", "status"),
    [(Limited("slow down"), 429), (Banned("x 429 slow"), 429), (Banned("x 418 go"), 418)],
)
def test_too_many_questions_are_the_same_statuses_as_everywhere(
    make: Make, raised: Exception, status: int
) -> None:
    """With the exchange's own Retry-After, so that the rests of the backfill hold."""
    assert Response(status, b"", 7.0) == asked(make(World(candles=[raised])), CANDLES)


@pytest.mark.req("F7")
def test_any_other_failure_of_a_question_is_no_answer(make: Make) -> None:
    """Whatever the library raises."""
    with pytest.raises(Unreachable, match="ccxt: ValueError: odd"):
        asked(make(World(candles=[ValueError("odd")])), CANDLES)


@pytest.mark.req("F1", "F8")
def test_the_clock_and_the_fundings_are_asked_like_candles(make: Make) -> None:
    """The clock needs no market."""
    world = World(time=[1_795_190_000_000], fundings=[[{"fundingRate": "0.1", "timestamp": 5}]])
    network = make(world)
    clock = asked(network, "ccxt://fake/time")
    assert (0, b"1795190000000") == (world.loads, clock.body)
    found = asked(network, "ccxt://fake/fundings?symbol=BTC/USDT&since=0&limit=5")

    assert [{"fundingRate": "0.1", "timestamp": 5}] == json.loads(found.body)


@pytest.mark.req("F4")
def test_a_call_that_never_returns_is_given_up() -> None:
    """With a sentence that says after how long; the client is thrown away."""
    world = World()
    with pytest.raises(Unreachable, match=r"did not answer within 0\.1 s"):
        asked(straight(world, call_s=0.1), CANDLES)

    assert [True] == [client.closed for client in world.clients]


@pytest.mark.req("F1")
def test_the_grids_of_a_market_and_those_of_one_that_is_not_there(make: Make) -> None:
    """What is not listed is told as unknown; an exchange without any market has told nothing."""
    network = make(World())
    grids = json.loads(asked(network, GRIDS.format("BTC/USDT")).body)
    gone = json.loads(asked(make(World()), GRIDS.format("ETH/USDT")).body)

    assert MARKET["precision"] == grids["precision"]
    assert grids["steps"]
    assert {"unknown": "ETH/USDT"} == gone
    with pytest.raises(Unreachable, match="told of no markets"):
        asked(make(World(markets=[{}])), GRIDS.format("BTC/USDT"))
    with pytest.raises(Unreachable, match="does not have market symbol ETH/USDT"):
        heard(make(World()), 1, "ccxt://fake/ETH/USDT?watchTrades")


@pytest.mark.req("F4")
def test_a_library_that_hangs_in_its_own_code_holds_nobody_up() -> None:
    """The thread stands still; our loop goes on, and gives the question up."""
    held, world = threading.Event(), World()
    world.answers["candles"] = iter([lambda: held.wait(20)])
    network = Aside(straight(world), longest_s=0.2)
    turns = 0

    async def ask() -> None:
        nonlocal turns
        question = asyncio.ensure_future(network.get(CANDLES))
        while not question.done():
            turns += 1
            await asyncio.sleep(0.001)
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            await question

    try:
        asyncio.run(ask())
    finally:
        held.set()
        network.close()
    assert turns > 10


@pytest.mark.req("F10")
def test_a_connection_that_is_given_up_at_once_ends_at_once() -> None:
    """It may not even have begun in the thread; the next one works."""
    world = World(trades=repeat([{"price": "1"}]))
    network = Aside(straight(world))

    async def give_up() -> None:
        for _ in range(50):
            connecting = asyncio.ensure_future(_entered(network))
            await asyncio.sleep(0)
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)

    try:
        asyncio.run(give_up())
        heard(network, 1)
    finally:
        network.close()
    assert all(client.closed for client in world.clients)


async def _entered(network: Network) -> None:
    async with network.connect(URL):
        await asyncio.Event().wait()


@pytest.mark.req("F1")
def test_addresses_can_point_elsewhere() -> None:
    """Host and scheme are replaced, the exchange's paths stay."""
    made = Library(World(), "fake", ws_url="ws://127.0.0.1:9", rest_url="http://127.0.0.1:8")
    wanted = {"public": "http://127.0.0.1:8/v1", "ws": {"spot": "ws://127.0.0.1:9/ws"}}

    assert wanted == made.client().urls["api"]
