"""The file of funding rates, and which of them are due."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.market import Funding, MarketRecord
from protocol.messages.trading import FundingPaid, StrategyRecord, Through
from tests.workers.broker.bench import BTC, MINUTE, ONE, Bench, D, candle, order
from workers.broker.errors import BadFundingFile
from workers.broker.funding import Due, FundingSchedule, load


def written(folder: Path, text: str) -> Path:
    """Write a file of rates."""
    path = folder / "funding.csv"
    path.write_text(text)
    return path


@pytest.mark.req("B2")
def test_rates_are_read_in_order_and_a_missing_one_is_unknown(tmp_path: Path) -> None:
    """8 h is not assumed; packed or not."""
    text = "ts_ms,rate\n1000,0.0001\n2000,\n9000,-0.00375\n"
    packed = tmp_path / "funding.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    for path in (written(tmp_path, text), packed):
        schedule = load(path)
        assert schedule.due(None, 2000) == (Due(1000, D("0.0001")), Due(2000, None))
        assert schedule.after(2000) == 9000
        assert schedule.after(9000) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "time,rate\n1,0.1\n",
        "ts_ms,rate\n1,much\n",
        "ts_ms,rate\n1,NaN\n",
        "ts_ms,rate\n1,5\n",
        "ts_ms,rate\n-1,0.1\n",
        "ts_ms,rate\n2,0.1\n1,0.1\n",
        "ts_ms,rate\n1,0.1\n1,0.1\n",
    ],
)
def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path, text: str) -> None:
    """Which file, what was found, what is wanted."""
    with pytest.raises(BadFundingFile, match=r"funding\.csv: .* it needs the header ts_ms,rate"):
        load(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    """The system's word for it."""
    with pytest.raises(BadFundingFile, match="No such file"):
        load(tmp_path / "nowhere.csv")


@pytest.mark.req("B2")
def test_a_rate_in_the_file_and_from_the_feed_is_booked_once() -> None:
    """Venues stamp some milliseconds late: within a minute it is the same."""
    late = Funding(symbol=BTC, at_ms=2 * MINUTE + 19, rate=D("0.001"))
    market: list[MarketRecord] = [
        candle(1, "100"),
        candle(2, "100"),
        late,
        candle(3, "100"),
        candle(4, "100"),
    ]
    bench = Bench(
        market,
        {"s": [order(1, size=ONE), Through(5)]},
        contract="linear",
        funding=[Due(2 * MINUTE, D("0.001"))],
    ).run()

    assert [paid.amount for paid in bench.outputs if isinstance(paid, FundingPaid)] == [D("-0.1")]


@pytest.mark.req("B2")
def test_an_unknown_rate_of_the_file_pends_and_books_nothing() -> None:
    """Never silently 0: the row says that something is owed."""
    bench = Bench(
        [candle(row, "100") for row in range(1, 5)],
        {"s": [order(1, size=ONE), Through(4)]},
        contract="linear",
        funding=[Due(2 * MINUTE, None)],
    ).run()

    assert bench.rows("SELECT rate, quantity, mark, amount FROM funding") == [(None, "1", "100", None)]
    assert bench.rows("SELECT count(*) FROM ledger WHERE kind = 'funding'") == [(0,)]


def test_what_was_due_before_anything_was_held_is_nothing() -> None:
    """A schedule longer than the recording costs nothing."""
    schedule = FundingSchedule([Due(at, D("0.01")) for at in range(0, 10 * MINUTE, MINUTE)])
    assert len(schedule.due(None, 3 * MINUTE)) == 4

    bench = Bench(
        [candle(1, "100"), candle(2, "100")],
        {"s": [Through(2)]},
        contract="linear",
        funding=[Due(0, D("0.01"))],
    ).run()
    assert bench.rows("SELECT * FROM funding") == []


def test_a_file_that_ends_before_the_data_is_said_once_to_have_ended() -> None:
    """A day after its last time, while something is held."""
    bench = Bench(
        [candle(row, "100") for row in (1, 2, 3, 1500, 1501)],
        {"s": [order(1, size=ONE), Through(5)]},
        contract="linear",
        funding=[Due(0, D("0.01"))],
    ).run()

    lines = [line.message for step in bench.steps for line in step.logs]
    assert lines.count("funding unknown") == 1


@pytest.mark.req("B2")
def test_a_rate_that_comes_late_is_paid_on_what_was_held_then() -> None:
    """R11: and at the mark of then; nothing is held any more, and the price is another."""
    market: list[MarketRecord] = [candle(1, "100"), candle(2, "100"), candle(3, "300"), candle(4, "300")]
    told = Funding(symbol=BTC, at_ms=2 * MINUTE, rate=D("0.01"))
    out = order(2, "sell", ONE, reduce_only=True)
    said: list[StrategyRecord] = [order(1, size=ONE), out, Through(5)]
    pending = [Due(2 * MINUTE, None)]
    bench = Bench([*market, told], {"s": said}, contract="linear", funding=pending).run()

    assert bench.rows("SELECT quantity, mark, amount FROM funding") == [("1", "100", "-1")]
    assert bench.core._state.books.funding == -1


@pytest.mark.req("B2")
def test_spot_pays_no_funding() -> None:
    """Whatever the file says."""
    said: list[StrategyRecord] = [order(1, size=ONE), Through(3)]
    market = [candle(row, "100") for row in (1, 2, 3)]
    bench = Bench(market, {"s": said}, funding=[Due(2 * MINUTE, D("0.01"))]).run()

    assert bench.rows("SELECT * FROM funding") == []


@pytest.mark.req("B2")
@settings(max_examples=15)
@given(st.data())
def test_however_often_a_funding_is_told_it_is_booked_once(data: st.DataObject) -> None:
    """By the file, by the feed, late by some milliseconds, again after a kill; once pending, then settled."""
    minutes = range(3, 40, 5)
    known = data.draw(st.lists(st.sampled_from(minutes), unique=True))
    market: list[MarketRecord] = []
    for row in range(1, 41):
        market.append(candle(row, "100"))
        told = data.draw(st.lists(st.integers(0, 59_000), max_size=3)) if row in minutes else []
        market += [Funding(symbol=BTC, at_ms=row * MINUTE + late, rate=D("0.001")) for late in told]
    schedule = [Due(n * MINUTE, D("0.001") if n in known else None) for n in minutes]
    bench = Bench(
        market, {"s": [order(1, size=ONE), Through(len(market))]}, contract="linear", funding=schedule
    )
    for turns in data.draw(st.lists(st.integers(1, 30), max_size=5)):
        for source in bench.received:
            bench.deliver(source, turns)
        bench.turn()
        bench.revive()
    bench.run()

    paid = [fact for fact in bench.outputs if isinstance(fact, FundingPaid)]
    assert len({fact.at_ms // MINUTE for fact in paid}) == len(paid)
    assert bench.rows("SELECT count(*) FROM funding") == [(len(minutes),)]
    assert sum(fact.amount for fact in paid) == bench.core._state.books.funding
