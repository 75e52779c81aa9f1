"""Live prices, funding and the clock's skew."""

from __future__ import annotations

import json

import pytest

from protocol.messages.tick import Mark, Quote, Trade
from tests.workers.feed.live.bench import START_MS, Bench, kline, mark, quote, trade

HOUR = 3_600_000


def opened(**settings: object) -> Bench:
    bench = Bench(**settings)  # type: ignore[arg-type]
    bench.run(0.2)
    return bench


@pytest.mark.req("F1")
def test_quotes_trades_and_marks_go_out_with_the_exchange_s_time_and_ours() -> None:
    """Prices and amounts keep the digits they were sent with."""
    bench = opened(kind="perpetual")
    at_ms = bench.exchange_ms
    bench.say(quote(at_ms, "99.90", "100.10"), trade(at_ms, 7, "100.05"), mark(at_ms, at_ms + HOUR))

    kinds = {type(tick): tick for tick in bench.ticks}
    assert {Quote, Trade, Mark} == set(kinds)
    sent = kinds[Trade]
    assert isinstance(sent, Trade)
    assert ("100.05", "7", at_ms, bench.wall_ms) == (
        str(sent.price),
        sent.trade_id,
        sent.at_ms,
        sent.received_ms,
    )
    assert 3 == bench.count("ticks")


@pytest.mark.req("F5")
def test_a_trade_is_its_id_not_its_time() -> None:
    """Three trades of one millisecond are three; one that comes twice is one."""
    bench = opened()
    at_ms = bench.exchange_ms
    bench.say(*(trade(at_ms, number) for number in (1, 2, 3, 2, 3, 1)))

    assert ["1", "2", "3"] == [tick.trade_id for tick in bench.ticks if isinstance(tick, Trade)]
    assert 0 == bench.count("rejected")


@pytest.mark.req("F5")
@pytest.mark.parametrize("wrong", [2**53, 10**29])
def test_one_absurd_number_does_not_silence_the_trades_for_ever(wrong: int) -> None:
    """Numbers only go upwards; those that go on below the highest a minute later have begun anew."""
    bench = opened()
    bench.say(trade(bench.exchange_ms, 7), trade(bench.exchange_ms, wrong), trade(bench.exchange_ms, 8))
    assert ["7", str(wrong)] == [tick.trade_id for tick in bench.ticks if isinstance(tick, Trade)]
    bench.stream(quote, 10.0, 70.0)
    bench.run(61)
    later = [trade(bench.exchange_ms, number) for number in (9, 10, 9)]
    bench.say(*later, trade(bench.exchange_ms - 50_000, 8))

    assert ["9", "10"] == [tick.trade_id for tick in bench.ticks if isinstance(tick, Trade)][2:]


@pytest.mark.req("F5")
def test_prints_of_an_insurance_fund_never_go_out() -> None:
    """X = INSURANCE_FUND is no evidence of a price."""
    bench = opened(kind="perpetual")
    bench.say(trade(bench.exchange_ms, 1, X="MARKET"), trade(bench.exchange_ms, 2, "102", X="INSURANCE_FUND"))

    assert ["1"] == [tick.trade_id for tick in bench.ticks if isinstance(tick, Trade)]
    assert "not_market" == bench.logged("data rejected")[0]["kind"]


@pytest.mark.req("F5")
@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (quote(START_MS, "100.1", "100.1"), "crossed"),
        (quote(START_MS, "101", "100.1"), "crossed"),
        (quote(START_MS, "0", "100.1"), "price"),
        (quote(START_MS, "-1", "100.1"), "price"),
        (quote(START_MS, "NaN", "100.1"), "number"),
        (quote(START_MS - 120_000), "age"),
        (quote(START_MS + 120_000), "age"),
        (quote(START_MS, "40", "41"), "far_off"),
        (trade(START_MS, 1, "0"), "price"),
        (trade(START_MS, 1, "-3"), "price"),
        (trade(START_MS, 1, "151"), "far_off"),
        (trade(START_MS, 1, q="0"), "amount"),
        (trade(START_MS, 1, q=None), "number"),
        (trade(START_MS, 1, m="yes"), "type"),
    ],
)
def test_bad_prices_are_counted_and_never_go_out(frame: str, kind: str) -> None:
    """Each fault has its kind; the next good price goes out as if nothing had been."""
    bench = opened()
    bench.say(quote(START_MS))
    before = len(bench.ticks)
    bench.say(frame)
    assert before == len(bench.ticks)
    assert kind == bench.logged("data rejected")[0]["kind"]
    bench.say(quote(bench.exchange_ms))

    assert before + 1 == len(bench.ticks)
    assert 1 == bench.count("rejected")


@pytest.mark.req("F5")
@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"p": "0"}, "price"),
        ({"i": "-1"}, "price"),
        ({"r": "1"}, "rate"),
        ({"E": START_MS - 120_000}, "age"),
        ({"E": START_MS + 120_000}, "age"),
        ({"p": None}, "number"),
    ],
)
def test_bad_mark_prices_are_counted_and_never_go_out(wrong: dict[str, object], kind: str) -> None:
    """Nor is anything learned of a funding from them."""
    bench = opened(kind="perpetual")
    told = json.loads(mark(bench.exchange_ms, START_MS + HOUR))
    bench.say(json.dumps({**told, **wrong}))

    assert [] == bench.ticks
    assert kind == bench.logged("data rejected")[0]["kind"]
    bench.say(json.dumps(told))

    assert 1 == len(bench.ticks)


@pytest.mark.req("F5")
def test_a_time_a_little_ahead_of_our_clock_is_in_order() -> None:
    """The recorder's clock can be behind the exchange's: age may be negative."""
    bench = opened()
    bench.say(quote(bench.exchange_ms + 904))

    assert 1 == len(bench.ticks)


@pytest.mark.req("F5")
def test_no_quote_goes_out_that_is_older_than_the_last() -> None:
    """Out of order: left out without being a fault."""
    bench = opened()
    bench.run(1)
    bench.say(quote(bench.exchange_ms), quote(bench.exchange_ms - 500, "90", "91"))

    assert ["99.9"] == [str(tick.bid) for tick in bench.ticks if isinstance(tick, Quote)]


@pytest.mark.req("F5")
def test_after_a_candle_that_rest_confirmed_prices_at_its_level_are_believed() -> None:
    """A market that halves for real: ticks are refused until the candle is confirmed, then taken."""
    bench = opened(
        history=lambda _query, _now: (
            f'[[{START_MS},"100","1000","1","40","5"],[{START_MS + 60_000},"40","40","40","40","5"]]'
        )
    )
    bench.say(quote(bench.exchange_ms))
    bench.stream(lambda at_ms: quote(at_ms, "40", "41"), 5.0, 70)
    bench.run(60.5)
    assert 1 == len(bench.ticks)
    bench.say(kline(START_MS, 40, closed=True))
    bench.run(5)
    bench.say(quote(bench.exchange_ms, "40", "41"))

    assert ["40"] == [str(candle.close) for candle in bench.candles]
    assert 2 <= len(bench.ticks)


@pytest.mark.req("F5")
@pytest.mark.parametrize("still_at", [None, "99.9"])
def test_a_level_that_holds_for_two_minutes_is_believed_before_a_long_candle_is_over(
    still_at: str | None,
) -> None:
    """Nobody can wait for the end of a day, for stops would sleep. A price at the old level denies it."""
    bench = opened(timeframe="1D")
    bench.say(quote(bench.exchange_ms))
    bench.stream(lambda at_ms: quote(at_ms, "40", "41"), 5.0, 300)
    if still_at is not None:
        bench.stream(lambda at_ms: trade(at_ms, at_ms, still_at), 50.0, 300)
    bench.run(115)
    assert "99.9" == {str(it.bid) for it in bench.ticks if isinstance(it, Quote)}.pop()
    bench.say(trade(bench.exchange_ms, 7, "1"))
    bench.run(180)

    bids = {str(it.bid) for it in bench.ticks if isinstance(it, Quote)}
    assert bids == ({"99.9", "40"} if still_at is None else {"99.9"})


@pytest.mark.req("F8")
def test_funding_is_told_once_at_its_time_with_the_rate_that_stood() -> None:
    """The first mark price after it still names the past time, as recorded; the next one closes it."""
    bench = opened(kind="perpetual")
    due = START_MS + 10_000
    bench.say(mark(START_MS, due, "0.0001"), mark(START_MS + 1000, due, "0.0002"))
    bench.run(10.5)
    bench.say(mark(due + 10, due, "0.0009"))
    assert [] == bench.fundings
    bench.say(mark(due + 1000, due + 8 * HOUR, "0.0003"), mark(due + 2000, due + 8 * HOUR, "0.0003"))
    bench.run(1)

    assert [(due, "0.0002")] == [(it.at_ms, str(it.rate)) for it in bench.fundings]


@pytest.mark.req("F8")
def test_a_restart_across_a_funding_time_does_not_lose_it() -> None:
    """What is pending is kept; a market without rates is left in peace."""
    bench = opened(kind="perpetual")
    due = START_MS + 20_000
    bench.say(mark(START_MS, due, "0.0001"), mark(START_MS, due, ""))
    bench.run(11)
    bench.say(mark(bench.exchange_ms, due, "0.0001"))
    bench.run(8.9)
    later = Bench(kind="perpetual", stored=bench.kept(), wall_ms=due + 5_000)
    later.run(0.2)
    later.say(mark(due + 5_000, due + 8 * HOUR, "0.0004"))

    assert [(due, "0.0001")] == [(it.at_ms, str(it.rate)) for it in later.fundings]


@pytest.mark.req("F5")
@pytest.mark.parametrize("skew_ms", [-2000, 2000])
def test_the_skew_of_the_clocks_is_measured_every_five_minutes_and_told(skew_ms: int) -> None:
    """Beyond half a second health is degraded, and the market state carries it for the broker."""
    bench = opened(skew_ms=skew_ms)
    bench.stream(quote, 5.0, 700)
    bench.run(1)
    assert abs(skew_ms - (bench.state().skew_ms or 0)) <= 1
    assert any("clock skew" in reason for reason in bench.core.condition().reasons)
    bench.skew_ms = 0
    bench.run(305)

    assert 0 == pytest.approx(bench.state().skew_ms, abs=1)
    times = bench.asked("time")
    assert 300 == pytest.approx(times[1] - times[0], abs=0.5)


@pytest.mark.req("F5")
def test_where_no_clock_is_told_the_youngest_message_of_five_minutes_is_the_measure() -> None:
    """Bitunix tells no time but in its messages."""
    bench = Bench(exchange="bitunix", kind="perpetual", skew_ms=1500)
    bench.run(0.2)

    def candle(at_ms: int) -> str:
        data = '{"o":"100","h":"100","l":"100","c":"100","b":"1","q":"1"}'
        return f'{{"ch":"market_kline_1min","symbol":"BTCUSDT","ts":{at_ms},"data":{data}}}'

    def book(at_ms: int) -> str:
        data = '{"b":[["99","1"]],"a":[["101","1"]]}'
        return f'{{"ch":"depth_book1","symbol":"BTCUSDT","ts":{at_ms - 40},"data":{data}}}'

    bench.at(
        0.1, lambda: bench.say('{"ch":"price","symbol":"BTCUSDT","ts":1700000040300,"data":{"mp":"100"}}')
    )
    bench.stream(candle, 2.0, 310)
    bench.stream(book, 2.0, 310)
    bench.run(306)

    assert 1500 == bench.state().skew_ms


@pytest.mark.req("F1")
def test_counters_survive_a_restart_and_a_state_of_another_market_does_not_count() -> None:
    """Candles, ticks and rejections go on from where they were."""
    bench = opened()
    bench.stream(quote, 5.0, 70)
    bench.run(60.5)
    bench.say(kline(START_MS, closed=True), "garbage")
    bench.run(11)
    later = Bench(stored=bench.kept(), wall_ms=bench.wall_ms)
    other = Bench(stored=b"\x81\xa3seq\x01")

    assert 1 == later.count("candles")
    assert bench.count("ticks") == later.count("ticks")
    assert 1 == later.count("rejected")
    assert 0 == other.count("candles")
