"""Gaps, quiet minutes and what REST does not tell: when they are asked about, and when they are given up."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from tests.workers.feed.live.bench import MINUTE, START_MS, Bench, flat_history, kline, quote, rows
from workers.feed.exchanges.events import Kline
from workers.feed.live.candles import Candles
from workers.feed.live.order import Slot
from workers.feed.live.resample import Resampler


@pytest.mark.req("F7")
def test_an_answer_that_never_comes_is_given_up_after_twenty_seconds() -> None:
    """The next question is not held up for ever, and what comes after all is not heard."""
    bench = Bench(history=flat_history)
    bench.stream(quote, 5.0, 300)
    bench.run(60.5)
    bench.mute = True
    bench.say(kline(START_MS, closed=True))
    bench.run(100)

    told = bench.logged("history not answered")
    assert "no answer in time" == told[0]["why"]
    assert 20 <= bench.asked()[1] - bench.asked()[0]


@pytest.mark.req("F7")
def test_a_poller_asks_for_no_more_than_200_and_rests_when_it_is_told_to() -> None:
    """A refusal with Retry-After is longer than the interval of the poll."""
    queries: list[Mapping[str, str]] = []

    def history(query: Mapping[str, str], now_ms: int) -> str:
        queries.append(query)
        return rows({START_MS: 100}) if len(queries) > 1 else "no JSON"

    bench = Bench(settings={"poll_s": 10.0, "stale_after_s": 600.0, "history": 200}, history=history)
    bench.status, bench.retry_after_s = 429, 77.0
    bench.run(5)
    bench.status = 200
    bench.run(90)

    asked = bench.asked()
    assert 77.0 <= asked[1] - asked[0] < 90
    assert "200" == queries[0]["limit"]


@pytest.mark.req("F7")
def test_no_more_than_700_candles_are_caught_up_with() -> None:
    """After an absence of 1,000 minutes the first 300 are given up, said, and counted as a gap."""
    stored = Bench()
    stored.stream(quote, 5.0, 70)
    stored.run(60.5)
    stored.say(kline(START_MS, closed=True))
    bench = Bench(stored=stored.kept(), wall_ms=START_MS + 1001 * MINUTE)
    bench.stream(quote, 5.0, 130)
    bench.run(125)

    [given_up] = bench.logged("gap not filled")
    assert list(range(300, 1000)) == bench.opens()[:700]
    assert "2023-11-14T22:15:00.000Z" == given_up["from"]
    assert 2 == bench.count("gaps")


def gapped(status: int, retry_after_s: float | None = None) -> Bench:
    """Return a feed that waits for minute 1, with minute 2 behind it, before an exchange that refuses."""
    bench = Bench(status=status, retry_after_s=retry_after_s)
    bench.stream(quote, 5.0, 900)
    bench.run(60.5)
    bench.say(kline(START_MS, closed=True))
    bench.run(0.1)
    bench.say(kline(START_MS + 2 * MINUTE, closed=True))
    return bench


@pytest.mark.req("F7")
@pytest.mark.parametrize(("status", "questions"), [(400, 1), (404, 1), (500, 3), (429, 3)])
def test_a_gap_is_given_up_at_once_where_the_exchange_will_never_answer(status: int, questions: int) -> None:
    """A refusal of the question itself is final; what may pass is asked for three times."""
    bench = gapped(status)
    while not bench.logged("gap not filled") and bench.now < 1230:
        bench.run(1)

    assert questions == len(bench.asked())
    assert [0, 2] == bench.opens()


@pytest.mark.req("F7")
def test_a_gap_is_given_up_after_three_minutes_of_a_ban() -> None:
    """One failure that forbids further questions: what waits behind the gap does not wait for ever."""
    bench = gapped(418, 3600.0)
    bench.run(175)
    assert [0] == bench.opens()
    assert bench.state().gap
    bench.run(10)

    assert [0, 2] == bench.opens()
    assert 1 == len(bench.logged("gap not filled"))


@pytest.mark.req("F7")
def test_nothing_is_given_up_while_nothing_waits_behind_it() -> None:
    """The stream is silent as well: to leave candles out would gain nothing, and they may still come."""
    bench = Bench(status=500)
    bench.stream(quote, 5.0, 900)
    bench.run(60.5)
    bench.say(kline(START_MS, closed=True))
    bench.run(300)
    assert [] == bench.logged("gap not filled")
    bench.status = 200
    bench.run(120)

    assert [0, 1, 2, 3, 4, 5] == bench.opens()[:6]


@pytest.mark.req("F7")
@pytest.mark.parametrize(("later", "questions"), [(True, 1), (False, 2)])
def test_a_minute_that_rest_does_not_know_is_quiet(later: bool, questions: int) -> None:
    """At once when REST knows a later one; else when it says so again, for it may only be late."""
    told: dict[int, object] = {START_MS: 100}
    if later:
        told[START_MS + 2 * MINUTE] = 100
    bench = Bench(history=lambda _query, _now: rows(told))
    bench.stream(quote, 5.0, 300)
    bench.run(60.5)
    bench.say(kline(START_MS, closed=True))
    bench.run(62)
    bench.say(kline(START_MS + 2 * MINUTE))
    bench.run(15)

    assert questions == len(bench.asked())
    assert 0 == bench.count("gaps")


@pytest.mark.req("F6")
def test_a_late_version_that_was_still_forming_is_no_revision() -> None:
    """Only another closed version of what went out is worth a word."""
    bench = Bench()
    bench.stream(quote, 5.0, 100)
    bench.run(60.5)
    bench.say(kline(START_MS, 100, closed=True))
    bench.run(1)
    bench.say(kline(START_MS, 101), kline(START_MS, 900))
    bench.run(1)
    assert 0 == bench.count("revisions")
    bench.say(kline(START_MS, 900, closed=True))
    bench.run(1)

    assert (1, 0) == (bench.count("revisions"), bench.count("quarantined"))


@pytest.mark.req("F5")
def test_a_candle_in_quarantine_that_rest_does_not_know_never_was() -> None:
    """It leaves quarantine, and the feed goes on without it."""
    bench = Bench(history=lambda _query, _now: rows({START_MS: 100, START_MS + 2 * MINUTE: 100}))
    bench.stream(quote, 5.0, 300)
    bench.run(60.5)
    bench.say(kline(START_MS, closed=True))
    bench.run(60)
    bench.say(kline(START_MS + MINUTE, 900, closed=True))
    assert 1 == bench.count("quarantined")
    bench.run(70)
    bench.say(kline(START_MS + 2 * MINUTE, closed=True))
    bench.run(1)

    assert [0, 2] == bench.opens()
    assert 0 == bench.count("quarantined")


@pytest.mark.req("F7")
def test_while_rest_rests_nothing_is_asked_of_it_not_even_the_time() -> None:
    """A ban is for every question."""
    bench = gapped(418, 3600.0)
    bench.run(700)

    assert 1 == len(bench.asked("time"))
    assert 1 == len(bench.asked())


@pytest.mark.req("F6")
def test_a_longer_candle_of_which_minutes_were_given_up_never_goes_out() -> None:
    """What would lack its middle is left out; the next one is whole."""
    candles = Candles(MINUTE, -MINUTE, resampler=Resampler(MINUTE, 5 * MINUTE))
    price, made = Decimal(100), list[Slot]()
    for minute in (0, 1, 3, 4, *range(5, 10)):
        if minute == 3:
            candles.jump(3 * MINUTE)
        kline_ = Kline.of(minute * MINUTE, (price, price, price, price, price), closed=True)
        candles.saw(kline_, float(minute), minute * MINUTE)
        made += candles.take(float(minute), minute * MINUTE)

    assert [5 * MINUTE] == [slot.open_ms for slot in made]
