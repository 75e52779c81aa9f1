"""The limits of each rule, at their very edges: a figure that is changed in the code is seen here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.workers.feed.live.bench import MINUTE, START_MS, Bench, quote
from workers.feed.exchanges.events import Kline
from workers.feed.live.backfill import Backfill, Question
from workers.feed.live.finality import REMEMBERED, Finality
from workers.feed.live.hours import Hours
from workers.feed.live.order import Hole


def version(minute: int, close: int = 100, *, closed: bool | None = None) -> Kline:
    price = Decimal(close)
    return Kline.of(minute * MINUTE, (price, price, price, price, Decimal(1)), closed=closed)


def nothing(_query: Mapping[str, str], _now_ms: int) -> str:
    return ""


@pytest.mark.req("F6")
@pytest.mark.parametrize(("late_ms", "final"), [(-1, False), (1999, False), (2000, True)])
def test_rest_is_believed_two_seconds_after_the_close_and_not_before(late_ms: int, final: bool) -> None:
    """Told twice the same: of a candle that still forms, or has just closed, it proves nothing."""
    finality = Finality(MINUTE)
    for _ in range(3):
        finality.saw_by_rest([version(0)], MINUTE + late_ms, gap=False)

    assert final == bool(finality.take(0.0))


@pytest.mark.req("F6")
@pytest.mark.parametrize(
    ("exchange_ms", "final"), [(2 * MINUTE - 1, False), (2 * MINUTE, True)], ids=["before", "after"]
)
def test_told_once_a_whole_interval_after_its_close_is_enough(exchange_ms: int, final: bool) -> None:
    """Where nothing has traded since there is no later candle behind it."""
    finality = Finality(MINUTE)
    finality.saw_by_rest([version(0)], exchange_ms, gap=False)

    assert final == bool(finality.take(0.0))


@pytest.mark.req("F6")
def test_finals_come_oldest_first_however_they_were_told() -> None:
    """A closed one that overtook the one before it waits its turn."""
    finality = Finality(MINUTE)
    for minute in (2, 0, 1):
        finality.saw(version(minute, closed=True), 0.0)

    assert [0, MINUTE, 2 * MINUTE] == [kline.open_ms for kline, _ in finality.take(0.0)]


@pytest.mark.req("F6")
@pytest.mark.parametrize("flagged", [True, False])
def test_nothing_is_due_once_everything_is_final(flagged: bool) -> None:
    """A deadline that stayed behind would let the feed spin."""
    finality = Finality(MINUTE)
    finality.saw(version(0), 0.0)
    finality.saw(version(1), 0.0)
    assert 2.0 == finality.deadline
    if flagged:
        finality.saw(version(0, closed=True), 1.0)
    finality.take(2.0)

    assert finality.deadline is None


@pytest.mark.req("F6")
def test_forming_candles_without_end_fill_no_memory_and_leave_no_deadline() -> None:
    """Times that jump: only the newest versions are kept, and of the others nothing."""
    finality = Finality(MINUTE)
    for minute in range(5 * REMEMBERED):
        finality.saw(version(minute), 0.0)

    assert REMEMBERED - 1 == len(finality.take(2.0))
    assert finality.deadline is None


@pytest.mark.req("F6")
def test_versions_by_rest_that_never_settle_fill_no_memory() -> None:
    """Of the versions told once only the newest are remembered: an older one must be told twice again."""
    finality = Finality(MINUTE)
    for minute in range(REMEMBERED + 1):
        finality.saw_by_rest([version(minute)], minute * MINUTE + MINUTE + 2000, gap=False)
    finality.saw_by_rest([version(0)], MINUTE + 2000, gap=False)
    assert () == finality.take(0.0)
    finality.saw_by_rest([version(REMEMBERED)], REMEMBERED * MINUTE + MINUTE + 2000, gap=False)

    assert 1 == len(finality.take(0.0))


HOLE = Hole(START_MS, 3)


@pytest.mark.req("F7")
def test_a_confirmation_does_not_put_off_a_gap() -> None:
    """Five seconds between two questions for one candle, thirty only between two for a gap."""
    backfill = Backfill()
    assert Question(START_MS, 6, gap=False) == backfill.plan(Hole(START_MS, 1), gap=False, now=0.0)
    assert backfill.plan(Hole(START_MS, 1), gap=False, now=4.9) is None
    assert Question(START_MS, 8, gap=True) == backfill.plan(HOLE, gap=True, now=1.0)
    assert backfill.plan(HOLE, gap=True, now=30.9) is None

    assert backfill.plan(HOLE, gap=True, now=31.0) is not None


@pytest.mark.req("F7")
def test_no_question_is_for_more_than_200_candles() -> None:
    """However long the hole."""
    question = Backfill().plan(Hole(START_MS, 700), gap=True, now=0.0)

    assert question is not None
    assert 200 == question.count


@pytest.mark.req("F7")
def test_failures_without_a_header_wait_five_seconds_doubling_to_a_minute() -> None:
    """An answer begins anew."""
    backfill, now, waits = Backfill(), 0.0, list[float]()
    for _ in range(6):
        backfill.failed(now, 500, None)
        waits.append(backfill.resting_until - now)
        now = backfill.resting_until
    backfill.answered()
    backfill.failed(now, None, None)

    assert [5.0, 10.0, 20.0, 40.0, 60.0, 60.0] == waits
    assert 5.0 == backfill.resting_until - now


@pytest.mark.req("F7")
def test_a_ban_is_not_cut_short_and_none_is_longer_than_three_days() -> None:
    """What fails meanwhile changes nothing; a header that says a century is a mistake."""
    backfill = Backfill()
    backfill.failed(0.0, 418, 300.0)
    backfill.failed(1.0, None, None)
    assert 300.0 == backfill.resting_until
    backfill.failed(2.0, 429, 1e12)

    assert 2.0 + 3 * 24 * 3600 == backfill.resting_until


@pytest.mark.req("F7")
def test_a_429_that_asks_for_less_than_our_own_wait_gets_ours() -> None:
    """Four failures before it: forty seconds, though the exchange would have been content with one."""
    backfill = Backfill()
    for _ in range(3):
        backfill.failed(0.0, None, None)
    backfill.failed(100.0, 429, 1.0)

    assert 140.0 == backfill.resting_until


@pytest.mark.req("F2")
def test_an_exchange_s_own_pong_may_be_lost_among_data() -> None:
    """Bybit's ping is a message like others: where data flow its line is alive, answered or not."""
    bench = Bench(exchange="bybit", status=404, history=nothing)
    book = {"s": "BTCUSDT", "b": [["99", "1"]], "a": [["101", "1"]]}
    row = {"start": START_MS, "open": "1", "high": "1", "low": "1", "close": "1", "volume": "1"}

    def frame(topic: str, data: object, at_ms: int) -> str:
        return json.dumps({"topic": topic, "type": "snapshot", "ts": at_ms, "data": data})

    bench.stream(lambda at_ms: frame("orderbook.1.BTCUSDT", book, at_ms), 2.0, 100)
    bench.stream(lambda at_ms: frame("kline.1.BTCUSDT", [{**row, "confirm": False}], at_ms), 2.0, 100)
    bench.run(90)

    assert 1 == len(bench.connects())


@pytest.mark.req("F3")
def test_an_exchange_that_cannot_be_reached_is_not_judged_by_its_silence() -> None:
    """Cut off and refused for a minute, it is tried again; the 30 s without data end nothing."""
    bench = Bench()
    bench.stream(quote, 1.0, 130)
    bench.run(10)
    bench.accepts = False
    bench.cut()
    bench.run(60)
    assert 1 < len(bench.connects()) < 10
    bench.accepts = True
    bench.run(60)

    assert bench.state().connected


@pytest.mark.req("F3")
def test_an_exchange_that_says_goodbye_before_any_data_counts_as_lost() -> None:
    """Else it would be asked anew each second, for ever."""
    bench = Bench()
    for n in range(25):
        bench.at(n * 1.0, lambda: bench.say('{"e":"serverShutdown","E":1}'))
    bench.run(25)

    assert [1, 2, 3] == [facts["failures"] for facts in bench.logged("connection lost")]
    assert 3 == len(bench.connects())


@pytest.mark.req("F3")
def test_an_exchange_that_says_goodbye_to_each_connection_is_not_asked_each_second() -> None:
    """A price and a goodbye, again and again: one is answered at once, the others after five seconds."""
    bench = Bench()
    for n in range(600):
        bench.at(n * 0.1, lambda: bench.say(quote(bench.exchange_ms), '{"e":"serverShutdown","E":1}'))
    bench.run(60)

    assert [] == bench.logged("connection lost")
    assert bench.connects()[1] - bench.connects()[0] < 2
    assert 10 <= len(bench.connects()) <= 13


@pytest.mark.req("F3")
def test_the_first_attempt_is_no_reconnect() -> None:
    """Only what had stood, or had been tried before, counts as one."""
    bench = Bench(accepts=False)
    bench.run(1)
    assert 0 == bench.count("reconnects")
    bench.run(6)

    assert 1 == bench.count("reconnects")


@pytest.mark.req("F3")
def test_what_a_connection_had_said_is_forgotten_with_it() -> None:
    """Bitfinex numbers its channels anew: an old number means nothing on the next connection."""
    bench = Bench(exchange="bitfinex", symbol="BTC/USD")
    subscribed = {"event": "subscribed", "channel": "ticker", "symbol": "tBTCUSD", "chanId": 7}
    bench.run(1)
    bench.say(json.dumps(subscribed), "[7,[100,1,100.1,1]]")
    assert 1 == len(bench.ticks)
    bench.cut()
    bench.run(6)
    bench.say("[7,[100,1,100.2,1]]")

    assert 1 == len(bench.ticks)


@pytest.mark.req("F2")
def test_a_stream_that_was_silent_and_speaks_again_is_no_trouble_any_more() -> None:
    """Health says which stream is missing for as long as it is."""
    bench = Bench(exchange="kraken", symbol="BTC/USD")
    row = {"symbol": "BTC/USD", "bid": 99, "bid_qty": 1, "ask": 101, "ask_qty": 1}
    bench.stream(lambda _ms: json.dumps({"channel": "ticker", "type": "update", "data": [row]}), 1.0, 40)
    bench.run(30)
    assert "no candles from the exchange" in bench.core.condition().reasons
    candle = {
        "symbol": "BTC/USD", "open": 100, "high": 100, "low": 100, "close": 100, "volume": 1,
        "interval": 1, "interval_begin": "2023-11-14T22:14:00.000000000Z",
    }  # fmt: skip
    bench.say(json.dumps({"channel": "ohlc", "type": "update", "data": [candle]}))

    assert () == tuple(it for it in bench.core.condition().reasons if "candles from" in it)


@pytest.mark.req("F9")
def test_a_stream_that_owed_data_at_the_close_owes_them_afresh_at_the_opening() -> None:
    """A closed market is silent, and no connection is dropped for that."""
    # It is 22:14:50; closed from 22:15 to 22:20.
    hours = Hours(ZoneInfo("UTC"), time(22, 20), time(22, 15), frozenset(range(7)))
    bench = Bench(
        "kraken", symbol="BTC/USD", settings={"hours": hours}, status=404, history=nothing,
        wall_ms=START_MS + 50_000,
    )  # fmt: skip
    bench.run(10 + 300 + 15)
    assert 1 == len(bench.connects())
    # Nor is anything asked for while it is closed.
    assert 1310 == pytest.approx(min(bench.asked("OHLC")), abs=0.1)
    bench.run(10)

    assert "no data for 20 s" == bench.logged("connection lost")[0]["why"]
