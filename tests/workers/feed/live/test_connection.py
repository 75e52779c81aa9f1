"""Connections: three clocks, reconnects, renewal, and the ends of a feed that hears nothing."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.workers.feed.live.bench import MINUTE, START_MS, Bench, kline, quote, trade
from workers.feed.live.commands import Connect, Disconnect, Ping, Say
from workers.feed.live.errors import NoData


def said(bench: Bench) -> list[str]:
    return [it.text for _, it in bench.commands if isinstance(it, Say)]


@pytest.mark.req("F2")
def test_a_ping_every_20_s_and_a_connection_without_pong_is_dropped_after_10() -> None:
    """Data flow all the time; what is missing is the pong."""
    bench = Bench(pongs=False)
    bench.stream(quote, 1.0, 60)
    bench.run(60)

    pings = [at for at, it in bench.commands if isinstance(it, Ping)]
    dropped = [at for at, it in bench.commands if isinstance(it, Disconnect)]
    assert 20.0 == pytest.approx(pings[0] - 1000.05, abs=0.1)
    assert 10.0 == pytest.approx(dropped[0] - pings[0], abs=0.1)
    assert "no pong within 10 s" == bench.logged("connection lost")[0]["why"]
    assert 1 == bench.count("reconnects")


@pytest.mark.req("F2")
def test_with_pongs_a_connection_stays() -> None:
    """Five quiet minutes of quotes: one connection, fifteen pings."""
    bench = Bench()
    bench.stream(quote, 5.0, 305)
    bench.run(300.2)

    assert 1 == len(bench.connects())
    assert 14 <= len([it for _, it in bench.commands if isinstance(it, Ping)]) <= 15


@pytest.mark.req("F2")
@pytest.mark.req("F4")
def test_no_data_for_20_s_drops_the_connection_and_for_30_s_ends_the_process() -> None:
    """Acknowledged and silent: a new connection at 25 s does not help, at 30 s the feed ends as stale."""
    bench = Bench()
    bench.at(0.1, lambda: bench.say('{"result":null,"id":1}'))
    bench.run(20.2)
    assert "no data for 20 s" == bench.logged("connection lost")[0]["why"]
    assert bench.state().stale
    bench.run(6)
    assert 2 == len(bench.connects())
    with pytest.raises(NoData, match="no data for 30 s"):
        bench.run(10)
    assert 30.0 == pytest.approx(bench.now - 1000.05, abs=0.1)


@pytest.mark.req("F4")
def test_bad_data_are_data_all_the_same() -> None:
    """The time of the last data is taken before validation: garbage keeps the connection, and is counted."""
    bench = Bench()
    bench.stream(lambda _ms: "garbage", 1.0, 100)
    bench.run(90)

    assert 1 == len(bench.connects())
    assert 90 == bench.count("rejected")


@pytest.mark.req("F3")
def test_waits_double_from_5_to_60_s_and_ten_failures_in_a_row_end_the_process() -> None:
    """An exchange that turns everyone away is tried ten times in six minutes."""
    bench = Bench(accepts=False)
    with pytest.raises(NoData, match="10 connections in a row failed, the last: refused"):
        bench.run(2000)

    connects = bench.connects()
    waits = [round(b - a - 0.05, 2) for a, b in itertools.pairwise(connects)]
    assert 10 == len(connects)
    assert [5.25, 10.5, 21.0, 42.0, 57.0, 57.0, 57.0, 57.0, 57.0] == pytest.approx(waits, abs=0.02)


@pytest.mark.req("F3")
def test_only_good_data_reset_the_count_of_failures() -> None:
    """A connection that stands proves nothing; the first good frame does."""
    bench = Bench()
    bench.run(1)
    bench.cut()
    bench.run(6)
    bench.cut()
    bench.run(11)
    assert [1, 2] == [facts["failures"] for facts in bench.logged("connection lost")]
    bench.say(quote(bench.exchange_ms))
    bench.cut()
    bench.run(0.1)

    assert 1 == bench.logged("connection lost")[-1]["failures"]


@pytest.mark.req("F3")
def test_after_a_reconnect_everything_is_subscribed_again_and_the_gap_looked_for() -> None:
    """The connection is away over two closes: the new one subscribes, and REST fills in."""
    bench = Bench()
    bench.stream(quote, 2.0, 300)
    bench.run(60.3)
    bench.say(kline(START_MS, closed=True))
    bench.status = None
    bench.cut()
    bench.run(110)
    bench.status = 200
    bench.run(60)

    subscriptions = [text for text in said(bench) if "SUBSCRIBE" in text]
    assert len(bench.connects()) == len(subscriptions) == 2
    assert [0, 1, 2] == bench.opens()[:3]


@pytest.mark.req("F3")
def test_a_connection_is_renewed_an_hour_before_binance_cuts_it() -> None:
    """At 23 h, without a failure being counted."""
    bench = Bench()
    bench.stream(quote, 19.5, 23.1 * 3600)
    bench.run(23.05 * 3600)

    first, second = bench.connects()
    assert 23 * 3600 == pytest.approx(second - first, abs=2)
    assert [] == bench.logged("connection lost")


@pytest.mark.req("F3")
@pytest.mark.parametrize(
    ("exchange", "symbol", "frames"),
    [
        ("binance", "BTC/USDT", ['{"e":"serverShutdown","E":1}']),
        ("bitfinex", "BTC/USD", ['{"event":"info","code":20051,"msg":"Stopping"}']),
    ],
)
def test_an_exchange_that_goes_away_is_left_at_once(exchange: str, symbol: str, frames: list[str]) -> None:
    """serverShutdown and its like: a new connection within a second or two, no backoff."""
    bench = Bench(exchange=exchange, symbol=symbol)
    bench.run(1)
    if exchange == "bitfinex":
        subscribed = {"event": "subscribed", "channel": "ticker", "symbol": "tBTCUSD", "chanId": 2}
        bench.say(json.dumps(subscribed), "[2,[100,1,100.1,1]]")
    else:
        bench.say(quote(bench.exchange_ms))
    bench.say(*frames)
    bench.run(3)

    assert 2 == len(bench.connects())
    assert bench.connects()[1] - bench.now < 1.5
    assert 1 == len(bench.logged("connection renewed"))


@pytest.mark.req("F2")
def test_candles_that_stay_silent_while_trades_come_cost_one_reconnect_not_the_feed() -> None:
    """An acknowledged stream that never delivers: dropped once; then REST gives the candles."""
    bench = Bench()
    numbers = iter(range(1, 10_000))
    bench.stream(lambda at_ms: trade(at_ms, next(numbers)), 1.0, 300)
    bench.run(200)

    assert 2 == len(bench.connects())
    assert "no candles for 20 s" == bench.logged("connection lost")[0]["why"]
    assert "no candles from the exchange" in bench.core.condition().reasons
    assert [0, 1, 2] == bench.opens()


@pytest.mark.req("F2")
@pytest.mark.parametrize(
    "again", [{}, {"X": "INSURANCE_FUND", "t": 2}], ids=["told again", "an insurance fund's"]
)
def test_what_moves_no_candle_owes_none(again: dict[str, object]) -> None:
    """Bitfinex tells each trade twice, and a fund's print is none: where it is quiet no candle follows."""
    bench = Bench(kind="perpetual", settings={"stale_after_s": 600.0})
    bench.stream(quote, 1.0, 100)
    bench.run(10)
    at_ms = bench.exchange_ms
    bench.say(trade(at_ms, 1), kline(START_MS), trade(at_ms, 1, **again))
    bench.run(40)

    assert 1 == len(bench.connects())
    assert [] == bench.logged("connection lost")


@pytest.mark.req("F2")
def test_both_connections_of_okx_are_watched_each_by_itself() -> None:
    """Candles come over one address, the rest over another: one may be away while the other stays."""
    bench = Bench(exchange="okx", symbol="BTC/USDT")
    row = {"instId": "BTC-USDT", "bidPx": "100", "bidSz": "1", "askPx": "100.1", "askSz": "1"}

    def ticker(at_ms: int) -> str:
        data = [{**row, "ts": str(at_ms)}]
        return json.dumps({"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": data})

    bench.stream(ticker, 2.0, 60, line="public")
    bench.run(19)
    assert {"business", "public"} == bench.up
    bench.run(2)

    assert {"public"} == bench.up
    assert "business" == bench.logged("connection lost")[0]["line"]
    assert not bench.state().connected


@pytest.mark.req("F10")
def test_what_comes_from_a_connection_that_was_given_up_is_not_heard() -> None:
    """A frame that was on its way when the connection was dropped changes nothing."""
    bench = Bench()
    bench.run(20.2)
    bench.core.heard("market", quote(bench.exchange_ms))
    bench.core.ponged("market")
    bench.run(0.1)

    assert [] == bench.ticks


@pytest.mark.req("F1")
@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("", ["wss://ws.okx.com:8443/ws/v5/business", "wss://ws.okx.com:8443/ws/v5/public"]),
        ("wss://other:8443", ["wss://other:8443/ws/v5/business", "wss://other:8443/ws/v5/public"]),
        ("ws://[::1]:9/", ["ws://[::1]:9/ws/v5/business", "ws://[::1]:9/ws/v5/public"]),
        ("wss://other/all/of/it", ["wss://other/all/of/it"] * 2),
        ("wss://other/all/", ["wss://other/all/"] * 2),
    ],
)
def test_another_address_takes_the_exchange_s_paths_unless_it_has_one(told: str, asked: list[str]) -> None:
    """An address with a path of its own is taken as it is."""
    bench = Bench("okx", settings={"base_url": told})
    bench.run(0.1)

    assert asked == [it.url for _, it in bench.commands if isinstance(it, Connect)]
    assert asked == [facts["url"] for facts in bench.logged("connected")]


@pytest.mark.req("F9")
def test_outside_market_hours_silence_is_no_error() -> None:
    """A market that opens in two hours: the feed waits, healthy, and goes on when it opens."""
    from datetime import time
    from zoneinfo import ZoneInfo

    from workers.feed.live.hours import Hours

    hours = Hours(ZoneInfo("UTC"), time(0, 30), time(1, 30), frozenset(range(7)))
    bench = Bench(settings={"hours": hours})
    bench.run(6600)
    assert not bench.state().open
    assert "market closed" == bench.count("connection")
    assert () == bench.core.condition().reasons
    opens_in = 1800 - bench.wall_ms / 1000 % 86_400
    bench.run(opens_in - 1)
    assert [] == bench.candles
    bench.stream(quote, 5.0, 200)
    bench.run(130)

    assert bench.state().open
    assert 2 == len(bench.candles)
    assert bench.candles[0].open_ms % 86_400_000 == 1_800_000
    assert MINUTE == bench.candles[1].open_ms - bench.candles[0].open_ms


@pytest.mark.req("F7")
def test_polling_asks_no_oftener_than_it_was_told_and_needs_no_connection() -> None:
    """One question in ten seconds; each minute goes out once the next one shows."""
    bench = Bench(settings={"poll_s": 10.0})
    bench.run(195)

    asked = bench.asked()
    assert min(b - a for a, b in itertools.pairwise(asked)) > 9.999
    assert [] == bench.connects()
    assert [0, 1, 2] == bench.opens()
    assert "polling" == bench.count("connection")


@pytest.mark.req("F4")
def test_polling_that_hears_nothing_ends_as_stale_too() -> None:
    """Waiting for REST can never block for ever."""
    bench = Bench(settings={"poll_s": 10.0}, status=None)
    with pytest.raises(NoData):
        bench.run(120)
    assert 30 == pytest.approx(bench.now - 1000, abs=1)
