"""Candles: final, valid, once, in order; holes are filled from REST within its limits."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.workers.feed.live.bench import MINUTE, START_MS, Bench, flat_history, kline, quote, rows, trade


def lively(bench: Bench, seconds: float = 600.0) -> Bench:
    """Have quotes come all the time."""
    bench.stream(quote, 5.0, seconds)
    bench.run(0.2)
    return bench


def open_of(minute: int) -> int:
    return START_MS + minute * MINUTE


@pytest.mark.req("F6")
def test_only_candles_that_the_exchange_closed_go_out() -> None:
    """Forming versions never go out, the closed one once, however often it is sent."""
    bench = lively(Bench())
    bench.run(30)
    bench.say(kline(open_of(0), 101), kline(open_of(0), 102))
    bench.run(30.2)
    assert [] == bench.candles
    bench.say(kline(open_of(0), 103, closed=True), kline(open_of(0), 103, closed=True))
    bench.run(1)

    assert [0] == bench.opens()
    assert "103" == str(bench.candles[0].close)
    assert not bench.candles[0].backfilled
    assert 0 == bench.count("revisions")


@pytest.mark.req("F6")
def test_a_candle_is_final_two_seconds_after_the_next_began() -> None:
    """Where nobody flags the close, the last version within the grace counts."""
    bench = lively(Bench())
    bench.run(60)
    bench.say(kline(open_of(0), 101), kline(open_of(1), 102))
    bench.run(1.8)
    bench.say(kline(open_of(0), 105))
    assert [] == bench.candles
    bench.run(0.3)

    assert [0] == bench.opens()
    assert "105" == str(bench.candles[0].close)


@pytest.mark.req("F6")
def test_a_late_close_that_differs_is_a_revision_and_changes_nothing() -> None:
    """What went out stays; the other version is logged and counted once."""
    bench = lively(Bench())
    bench.run(60)
    bench.say(kline(open_of(0), 101), kline(open_of(1), 102))
    bench.run(2.5)
    bench.say(kline(open_of(0), 107, closed=True), kline(open_of(0), 107, closed=True))
    bench.run(1)

    assert ["101"] == [str(candle.close) for candle in bench.candles]
    assert 1 == bench.count("revisions")
    assert "107" == str(bench.logged("candle revised")[0]["close"])


@pytest.mark.req("F6")
def test_a_candle_that_nobody_closes_is_asked_for_and_believed_when_told_twice_the_same() -> None:
    """The closing frame is lost and no next one comes: REST confirms, at least five seconds apart."""
    bench = lively(Bench(history=lambda _query, _now: rows({open_of(0): 104})))
    bench.run(50)
    bench.say(kline(open_of(0), 101))
    bench.run(13.7)
    assert [] == bench.asked()
    bench.run(0.5)
    assert 1 == len(bench.asked())
    assert [] == bench.candles
    bench.run(6)

    assert ["104"] == [str(candle.close) for candle in bench.candles]
    assert 5.0 <= bench.asked()[1] - bench.asked()[0] < 5.2
    assert 0 == bench.count("gaps")


@pytest.mark.req("F6")
def test_a_version_that_changes_between_two_answers_is_not_believed() -> None:
    """Two different answers are no confirmation; the third that agrees with the second is."""
    answers = iter([101, 102, 102])
    bench = lively(Bench(history=lambda _query, _now: rows({open_of(0): next(answers)})))
    bench.run(72)
    assert [] == bench.candles
    bench.run(5)

    assert ["102"] == [str(candle.close) for candle in bench.candles]
    assert 3 == len(bench.asked())


@pytest.mark.req("F7")
def test_a_hole_is_filled_oldest_first_before_what_came_later_goes_out() -> None:
    """Candles 1 to 3 are missing when 4 closes: they come by REST, marked, and 4 after them."""
    bench = lively(Bench())
    bench.run(60.5)
    bench.say(kline(open_of(0), closed=True))
    bench.status = None
    bench.run(240)
    bench.status = 200
    bench.say(kline(open_of(4), closed=True))
    bench.run(70)

    assert [0, 1, 2, 3, 4] == bench.opens()[:5]
    assert [False, True, True, True] == [candle.backfilled for candle in bench.candles[:4]]
    assert 1 == bench.count("gaps")
    assert 3 == bench.count("backfilled")


@pytest.mark.req("F7")
def test_during_a_gap_the_market_state_says_so_until_it_is_filled() -> None:
    """Entries are refused while candles are missing."""
    bench = lively(Bench())
    bench.run(60.5)
    bench.say(kline(open_of(0), closed=True))
    bench.run(1)
    assert not bench.state().gap
    bench.status = None
    bench.run(119)
    bench.say(kline(open_of(2), closed=True))
    bench.status = 200
    assert bench.state().gap
    assert "yes" == bench.count("gap")
    assert "gap in the candles" in bench.core.condition().reasons
    bench.run(40)

    assert not bench.state().gap
    assert [0, 1, 2] == bench.opens()


@pytest.mark.req("F7")
def test_a_minute_without_trades_is_no_gap() -> None:
    """REST knows the minutes around it and not it: it is skipped and nothing is counted."""
    bench = lively(Bench(history=lambda _query, _now: rows({open_of(0): 100, open_of(2): 100})))
    bench.run(60.5)
    bench.say(kline(open_of(0), closed=True))
    bench.run(120)
    bench.say(kline(open_of(2), closed=True))
    bench.run(5)

    assert [0, 2] == bench.opens()
    assert 0 == bench.count("gaps")


@pytest.mark.req("F7")
def test_backfills_are_half_a_minute_apart_and_ask_for_five_more_than_is_missing() -> None:
    """Two holes in a row do not make a burst; no answer is longer than 200 candles."""
    queries: list[Mapping[str, str]] = []

    def history(query: Mapping[str, str], now_ms: int) -> str:
        queries.append(query)
        return flat_history(query, now_ms)

    bench = lively(Bench(history=history))
    bench.run(60.5)
    bench.say(kline(open_of(0), closed=True))
    bench.cut()
    bench.accepts = False
    bench.run(2)
    before = len(bench.asked())
    bench.wall_ms += 6 * MINUTE
    bench.accepts = True
    bench.run(6)
    bench.say(kline(open_of(8), closed=True))
    bench.run(60)

    asked = bench.asked()[before:]
    assert 2 <= len(asked)
    assert asked[1] - asked[0] >= 30.0
    assert ["11"] == [query["limit"] for query in queries[before:][:1]]


@pytest.mark.req("F7")
def test_a_long_absence_is_caught_up_in_pieces_of_200() -> None:
    """A feed that was away for 500 minutes asks three times and sends every candle once, in order."""
    before = lively(Bench())
    before.run(60.5)
    before.say(kline(open_of(0), closed=True))
    before.run(1)
    wall_ms = START_MS + 501 * MINUTE
    bench = lively(Bench(stored=before.kept(), wall_ms=wall_ms))
    bench.run(70)

    assert list(range(1, 501)) == bench.opens()[:500]
    assert 3 == len([at for at in bench.asked() if at < 1062])
    assert 1 == bench.count("gaps")
    assert bench.count("candles") == 1 + len(bench.candles)


@pytest.mark.req("F7")
@pytest.mark.parametrize(
    ("status", "retry_after_s", "least"),
    [(429, 45.0, 45.0), (429, None, 30.0), (418, 300.0, 300.0), (418, None, 120.0)],
)
def test_rest_rests_when_the_exchange_says_so(status: int, retry_after_s: float | None, least: float) -> None:
    """Retry-After is obeyed on 429; on 418 REST rests until the ban ends, and an error is logged."""
    bench = lively(Bench(), 900)
    bench.run(60.5)
    bench.say(kline(open_of(0), closed=True))
    bench.status, bench.retry_after_s = status, retry_after_s
    bench.say(kline(open_of(2), closed=True))
    bench.run(0.5)
    bench.status = 200
    first = bench.asked()[0]
    bench.run(400)

    assert least <= bench.asked()[1] - first < least + 60.5
    levels = [line.level for line in bench.logs if line.message == "history not answered"]
    assert ["ERROR" if status == 418 else "WARNING"] == levels


@pytest.mark.req("F7")
def test_a_gap_that_rest_cannot_fill_is_given_up_and_said() -> None:
    """Three failures in a row: what is missing is counted and logged, and the feed goes on."""
    bench = lively(Bench())
    bench.run(60.5)
    bench.say(kline(open_of(0), closed=True))
    bench.status = 500
    bench.say(kline(open_of(2), closed=True))
    bench.run(100)

    assert [0, 2] == bench.opens()
    assert 1 == bench.count("gaps")
    assert 1 == len(bench.logged("gap not filled"))


@pytest.mark.req("F5")
def test_a_close_more_than_half_off_waits_for_rest_to_confirm_it() -> None:
    """What REST says otherwise never happened; what it confirms goes out."""
    answers: dict[int, object] = {open_of(1): 101, open_of(2): 101}
    bench = lively(Bench(history=lambda _query, _now: rows(answers)))
    bench.run(60.5)
    bench.say(kline(open_of(0), closed=True))
    bench.run(60)
    bench.say(kline(open_of(1), 900, closed=True))
    assert [0] == bench.opens()
    assert 1 == bench.count("quarantined")
    bench.run(10)
    assert ["100", "101"] == [str(candle.close) for candle in bench.candles]
    assert 0 == bench.count("quarantined")
    bench.run(50)
    answers[open_of(2)] = 400
    answers[open_of(3)] = 400
    bench.say(kline(open_of(2), 400, closed=True))
    bench.run(10)

    assert ["100", "101", "400"] == [str(candle.close) for candle in bench.candles]


@pytest.mark.req("F5")
@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (kline(open_of(0), 0, l="0", closed=True), "price"),
        (kline(open_of(0), 100, h="50", closed=True), "range"),
        (kline(open_of(0), 100, v="-1", closed=True), "volume"),
        (kline(open_of(0) + 1, 100, closed=True), "off_grid"),
        (kline(open_of(90), 100, closed=True), "age"),
        (kline(open_of(0), "NaN", closed=True), "number"),
        (kline(open_of(0), "Infinity", closed=True), "number"),
        (kline(open_of(0), -5, l="-5", closed=True), "price"),
        ('{"e":"kline","s":"BTCUSDT","E":1}', "missing_key"),
        ('{"e":"kline","s":"BTCUSDT","E":1,"k":[]}', "type"),
        ("garbage", "json"),
    ],
)
def test_bad_candles_are_counted_by_kind_and_never_go_out(bad: str, kind: str) -> None:
    """Each kind is logged at most once a second, with how many there were, and the next good one goes out."""
    bench = lively(Bench())
    bench.run(59)
    bench.say(*[bad] * 5)
    bench.run(1.2)
    bench.say(bad, kline(open_of(0), closed=True))
    bench.run(1)

    assert [0] == bench.opens()
    assert 6 == bench.count("rejected")
    told = [facts["count"] for facts in bench.logged("data rejected") if facts["kind"] == kind]
    assert [1, 5] == told


@pytest.mark.req("F6")
def test_longer_candles_are_made_of_minutes_where_the_exchange_has_none() -> None:
    """Bitfinex has no 4h: 240 minutes become one candle; a beginning that was not seen is left out."""
    bench = Bench(exchange="bitfinex", timeframe="4h", symbol="BTC/USD", settings={"history": 1})
    wanted = bench.wall_ms // 14_400_000 * 14_400_000

    def history(query: Mapping[str, str], now_ms: int) -> str:
        start, limit = int(query["start"]), int(query["limit"])
        opens = range(start, min(start + limit * MINUTE, now_ms + 1), MINUTE)
        return str([[o, 100, 100 + (o // MINUTE) % 7, 107, 100, 0.5] for o in opens])

    bench.history = history
    key = '{"event":"subscribed","channel":"candles","key":"trade:1m:tBTCUSD","chanId":3}'
    bench.at(0.1, lambda: bench.say(key))
    bench.at(0.2, lambda: bench.say(f"[3,[{bench.wall_ms // MINUTE * MINUTE},1,1,1,1,1]]"))
    bench.at(
        0.1, lambda: bench.say('{"event":"subscribed","channel":"ticker","symbol":"tBTCUSD","chanId":2}')
    )
    bench.stream(lambda at_ms: "[2,[100,1,100.1,1,0,0,100,5,110,90]]", 5.0, 200)
    bench.run(150)

    [candle] = bench.candles
    assert (wanted - 14_400_000, wanted) == (candle.open_ms, candle.close_ms)
    assert ("107", "100", "120.0") == (str(candle.high), str(candle.low), str(candle.volume))
    assert candle.timeframe == "4h"


@pytest.mark.req("F6")
def test_candles_can_be_made_of_trades() -> None:
    """With candles = "trades" the exchange's own are not believed; the first, cut short, is left out."""
    bench = Bench(settings={"from_trades": True}, wall_ms=START_MS + 5_000, status=404)
    bench.run(0.2)
    numbers = iter(range(1, 1000))
    bench.stream(lambda at_ms: trade(at_ms, n := next(numbers), 100 + n % 3), 1.0, 150)
    bench.run(150)

    assert [1] == [minute for minute in bench.opens() if minute < 2]
    assert "60" == str(bench.candles[0].volume)
    assert {"100", "102"} == {str(bench.candles[0].low), str(bench.candles[0].high)}


@pytest.mark.req("F5")
@pytest.mark.req("F6")
def test_what_is_no_trade_of_the_market_is_in_no_candle_made_of_trades() -> None:
    """Told again, of an insurance fund, far off: none of it moves price or volume."""
    bench = Bench(kind="perpetual", settings={"from_trades": True}, status=404)
    bench.stream(quote, 5.0, 130)
    bench.run(60)
    at_ms = bench.exchange_ms
    bench.say(trade(at_ms, 1, 100), trade(at_ms, 2, 101), trade(at_ms, 2, 101), trade(at_ms, 1, 100))
    bench.say(trade(at_ms, 3, 120, X="INSURANCE_FUND"), trade(at_ms, 4, 900), trade(at_ms, 5, 0))
    bench.run(63)

    [candle] = [it for it in bench.candles if not it.backfilled]
    assert ("100", "101", "101", "2") == (
        str(candle.open), str(candle.high), str(candle.close), str(candle.volume),
    )  # fmt: skip
