"""Fundings: none is missed over an outage, none is told twice, none with a rate that nobody was charged."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.workers.feed.live.bench import START_MS, Bench, flat_history, fundings, kline, mark
from tests.workers.feed.through_ccxt.test_exchange import history as ccxt_history
from workers.feed.exchanges.events import MarkPrice, PastFunding
from workers.feed.live.funding import HOUR_MS, MOST_TRIES, FundingClock
from workers.feed.through_ccxt.exchange import CcxtExchange

EIGHT = 8 * HOUR_MS
DUE = START_MS // EIGHT * EIGHT + EIGHT
PATH = "fundingRate"


def bench(**more: Any) -> Bench:
    """Return a perpetual, five minutes before a funding time."""
    return Bench(**{"kind": "perpetual", "wall_ms": DUE - 300_000, **more})


def marks(tried: Bench, seconds: float, next_ms: int = DUE, rate: str = "0.0001") -> None:
    """Have mark prices come every five seconds for so long."""
    tried.stream(lambda at_ms: mark(at_ms, next_ms, rate), 5.0, seconds)
    tried.stream(lambda at_ms: kline(at_ms // 60_000 * 60_000), 5.0, seconds)
    tried.run(seconds)


def book(rates: Mapping[int, str]) -> Any:
    """Return an exchange's history that grows with time."""
    return lambda start_ms, now_ms: fundings({at: it for at, it in rates.items() if start_ms <= at <= now_ms})


def told(tried: Bench) -> list[tuple[int, str]]:
    return [(it.at_ms, str(it.rate)) for it in tried.fundings]


def sources(tried: Bench) -> list[object]:
    return [facts["source"] for facts in tried.logged("funding")]


@pytest.mark.req("F8")
def test_while_mark_prices_come_the_rate_that_stood_goes_out_at_once_and_nothing_is_asked() -> None:
    """A second after its time."""
    tried = bench()
    marks(tried, 301)
    marks(tried, 120, DUE + EIGHT, "0.0003")

    assert [(DUE, "0.0001")] == told(tried)
    assert ["mark"] == sources(tried)
    assert [] == tried.asked(PATH)


@pytest.mark.req("F8", "F5")
@pytest.mark.parametrize("wrong", [10**15 - 1, DUE + 25 * HOUR_MS])
def test_a_funding_time_that_cannot_be_is_counted_and_the_true_one_still_closes(wrong: int) -> None:
    """The next one is never a day away: one wrong frame must not keep all others from being believed."""
    tried = bench()
    tried.run(0.2)
    tried.say(mark(tried.exchange_ms, wrong, "0.7"))
    marks(tried, 150)
    tried.say(mark(tried.exchange_ms, wrong, "0.7"))
    marks(tried, 152)
    marks(tried, 60, DUE + EIGHT, "0.0003")

    assert [(DUE, "0.0001")] == told(tried)
    assert 2 == tried.count("rejected")
    assert "funding_time" == tried.logged("data rejected")[0]["kind"]


@pytest.mark.req("F8")
def test_an_outage_over_two_funding_times_misses_neither() -> None:
    """The process was down for eleven hours: the history says what was paid, not our old estimate."""
    tried = bench()
    marks(tried, 30)
    rates = {DUE - EIGHT: "0.0009", DUE: "0.0002", DUE + EIGHT: "-0.0004"}
    later = bench(stored=tried.kept(), wall_ms=DUE + 11 * HOUR_MS, settled=book(rates))
    marks(later, 60, DUE + 2 * EIGHT)

    assert [(DUE, "0.0002"), (DUE + EIGHT, "-0.0004")] == told(later)
    assert ["history", "history"] == sources(later)
    assert 1 == len(later.asked(PATH))


@pytest.mark.req("F8")
def test_a_connection_lost_over_the_time_is_made_good_by_the_history_once() -> None:
    """Binance stamps a funding some milliseconds late; mark prices that come back do not tell it again."""
    tried = bench(settled=book({DUE + 19: "0.0002"}))
    marks(tried, 270)
    tried.accepts = False
    tried.cut()
    tried.run(125)
    assert [(DUE + 19, "0.0002")] == told(tried)
    tried.accepts = True
    marks(tried, 180, DUE + EIGHT)

    assert 1 == len(tried.fundings)
    assert 1 == len(tried.asked(PATH))


@pytest.mark.req("F8")
def test_a_history_that_is_late_is_asked_again_each_minute() -> None:
    """The exchange writes it down minutes after its time."""
    tried = bench(settled=lambda _, now_ms: fundings({DUE: "0.0002"} if now_ms > DUE + 200_000 else {}))
    marks(tried, 30)
    later = bench(stored=tried.kept(), wall_ms=DUE + 1000, settled=tried.settled)
    marks(later, 400, DUE + EIGHT)

    assert [(DUE, "0.0002")] == told(later)
    assert 4 <= len(later.asked(PATH)) <= 5


@pytest.mark.req("F8")
def test_a_funding_that_no_history_ever_holds_is_told_with_the_estimate_and_a_warning() -> None:
    """After half an hour of answers without it."""
    tried = bench()
    marks(tried, 30)
    later = bench(stored=tried.kept(), wall_ms=DUE + HOUR_MS)
    marks(later, 60.0 * MOST_TRIES + 30, DUE + EIGHT)

    assert [(DUE, "0.0001")] == told(later)
    assert ["estimate"] == sources(later)
    assert [("funding", "WARNING")] == [
        (it.message, it.level) for it in later.logs if it.message == "funding"
    ]


@pytest.mark.req("F8", "F7")
def test_while_rest_does_not_answer_a_funding_is_owed_and_told_when_it_does() -> None:
    """Asked once a minute; a ban rests everything."""
    tried = bench()
    marks(tried, 30)
    later = bench(stored=tried.kept(), wall_ms=DUE + HOUR_MS, status=None, settled=book({DUE: "0.0002"}))
    marks(later, 1200, DUE + EIGHT)
    assert [] == later.fundings
    assert 18 <= len(later.asked(PATH)) <= 21
    later.status = 418
    marks(later, 110, DUE + EIGHT)
    banned = len(later.asked(PATH))
    later.status = 200
    marks(later, 200, DUE + EIGHT)

    assert [(DUE, "0.0002")] == told(later)
    assert banned + 1 == len(later.asked(PATH))


@pytest.mark.req("F8")
def test_without_mark_prices_the_history_is_asked_after_each_full_hour() -> None:
    """Polling, or through ccxt: once soon, and once when the history is sure to hold it."""
    exchange = CcxtExchange("fake", {"watchTrades": True, "fetchFundingRateHistory": True}, {"1m": "1m"})
    rates = {DUE - EIGHT: "0.1", DUE: "0.0002", DUE + EIGHT: "0.0003"}

    def settled(start_ms: int, now_ms: int) -> str:
        return str(book(rates)(start_ms, now_ms)).replace("fundingTime", "timestamp")

    tried = bench(exchange=exchange, settled=settled, history=ccxt_history, settings={"poll_s": 60.0})
    tried.run(9 * 3600)

    assert [(DUE, "0.0002"), (DUE + EIGHT, "0.0003")] == told(tried)
    assert 18 >= len(tried.asked("fundings"))


@pytest.mark.req("F8")
@pytest.mark.parametrize(("exchange", "kind"), [("binance", "spot"), ("fake", "perpetual")])
def test_a_source_without_fundings_is_left_in_peace(exchange: str, kind: str) -> None:
    """Nothing is asked, nothing is missed."""
    deaf = CcxtExchange("fake", {}, {"1m": "1m"})
    named, past = (exchange, flat_history) if exchange == "binance" else (deaf, ccxt_history)
    tried = bench(exchange=named, kind=kind, history=past, settings={"poll_s": 10.0})
    tried.run(2 * 3600)

    assert [] == tried.asked("unding")
    assert [] == tried.fundings


@pytest.mark.req("F8")
def test_where_there_is_no_history_an_old_estimate_is_better_than_none() -> None:
    """As before there were histories."""
    clock = FundingClock(asks=False)
    clock.begin(DUE - HOUR_MS)
    clock.take(marked(DUE - HOUR_MS, DUE))
    clock.take(marked(DUE + HOUR_MS, DUE + EIGHT, "0.2"))

    assert [(DUE, Decimal("0.1"))] == [(it.at_ms, it.rate) for it in clock.released()]
    assert clock.due_ms() is None


def marked(at_ms: int, next_ms: int, rate: str = "0.1") -> MarkPrice:
    return MarkPrice(Decimal(1), at_ms, rate=Decimal(rate), next_funding_ms=next_ms)


@pytest.mark.req("F8")
def test_a_funding_that_no_mark_price_ever_named_is_asked_for() -> None:
    """The marks stopped seconds before one time and came back after the next: of that one nobody told."""
    clock = FundingClock(asks=True)
    clock.begin(DUE - HOUR_MS)
    clock.take(marked(DUE - 5_000, DUE))
    clock.take(marked(DUE + EIGHT + 30_000, DUE + 2 * EIGHT))
    assert [(DUE, "mark")] == [(it.at_ms, it.source) for it in clock.released()]
    due_ms = clock.due_ms()
    assert due_ms is not None
    assert due_ms <= DUE + EIGHT + 90_000
    clock.answered([PastFunding(DUE + EIGHT, Decimal("0.7"))], due_ms)

    assert [(DUE + EIGHT, Decimal("0.7"))] == [(it.at_ms, it.rate) for it in clock.released()]


@pytest.mark.req("F8")
def test_while_one_may_be_missing_the_next_waits_for_it() -> None:
    """What went out ends what can still be told, so mark prices wait for the history."""
    clock = FundingClock(asks=True)
    clock.begin(DUE - HOUR_MS)
    clock.take(marked(DUE + EIGHT - 30_000, DUE + EIGHT))
    clock.failed(DUE + EIGHT - 20_000)
    clock.take(marked(DUE + EIGHT + 1000, DUE + 2 * EIGHT))
    assert () == clock.released()
    rates = [PastFunding(DUE + n * EIGHT, Decimal(n)) for n in (1, 0)]
    clock.answered(rates, DUE + EIGHT + 90_000)

    assert [DUE, DUE + EIGHT] == [it.at_ms for it in clock.released()]


@pytest.mark.req("F8")
def test_a_history_that_stamps_late_what_a_mark_price_told_does_not_tell_it_again() -> None:
    """59 of 91 of Binance's events are stamped 1 to 19 ms after the full second."""
    clock = FundingClock(asks=True)
    clock.begin(DUE - HOUR_MS)
    clock.take(marked(DUE - 1000, DUE))
    clock.take(marked(DUE + 1000, DUE + EIGHT))
    clock.answered([PastFunding(DUE + 19, Decimal("0.1"))], DUE + HOUR_MS)

    assert [DUE] == [it.at_ms for it in clock.released()]


@pytest.mark.req("F8")
@given(
    st.lists(
        st.tuples(
            st.integers(1, 10 * 60), st.sampled_from(["marks", "lost", "unanswered", "late", "reborn"])
        ),
        max_size=12,
    )
)
@example(steps=[(59, "lost"), (1, "marks"), (30, "unanswered")])
@settings(max_examples=40)
def test_whatever_is_lost_each_funding_is_told_once_in_order_with_the_rate_that_was_paid(
    steps: list[tuple[int, str]],
) -> None:
    """Against a plain list of what was paid: hours with and without mark prices, answers and restarts.

    As long as REST is not silent for so long that the clock gives up what nobody has named.
    """
    at_ms, rate = DUE - HOUR_MS, Decimal("0.0001")
    paid = {DUE + n * EIGHT: rate * (n + 1) for n in range(60)}
    clock, out = FundingClock(asks=True), list[tuple[int, Decimal]]()
    in_vain = 0
    clock.begin(at_ms)

    def minute(how: str) -> None:
        nonlocal in_vain
        coming = at_ms // EIGHT * EIGHT + EIGHT
        if how == "marks":
            clock.take(MarkPrice(Decimal(1), at_ms, rate=paid[coming], next_funding_ms=coming))
        due_ms = clock.due_ms()
        if due_ms is not None and due_ms <= at_ms:
            in_vain = in_vain + 1 if how in ("unanswered", "late") else 0
            how = how if in_vain < MOST_TRIES else "lost"
            if how == "unanswered":
                clock.failed(at_ms)
            else:
                until_ms = at_ms - (180_000 if how == "late" else 0)
                found = [PastFunding(at, it) for at, it in paid.items() if clock.start_ms <= at <= until_ms]
                clock.answered(found, at_ms)
        out.extend((it.at_ms, it.rate) for it in clock.released())

    for minutes, how in [*steps, (61, "lost")]:
        if how == "reborn":
            clock = FundingClock(clock.pending, clock.told_ms, asks=True)
            at_ms += minutes * 60_000
            clock.begin(at_ms)
            continue
        for _ in range(minutes):
            at_ms += 60_000
            minute(how)

    # The last may be younger than the minute after which it is asked for.
    sure = [(at, it) for at, it in paid.items() if at <= at_ms - HOUR_MS]
    assert sure == out[: len(sure)]
    assert out == [(at, it) for at, it in paid.items() if at <= at_ms][: len(out)]
