"""Trade tapes: each trade is a row."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import MARKET
from protocol.messages.market import Candle, End, OnEnd
from tests.workers.feed.candles import write
from workers.feed.config import FeedConfig
from workers.feed.core import FeedCore
from workers.feed.recording import Recording, Settings, load
from workers.feed.row import LATEST_MS, Layout, Row
from workers.feed.rows import validated
from workers.feed.trades import parse_trade

HEADER = "ts_ms,price,amount,side,trade_id,recv_ts,exec_type"
LAYOUT = Layout(0, trades=("trade_id", "recv_ts", "exec_type"))
START = 1_600_000_000_123


def trade(number: int, at: int = 0, *, price: object = 100, amount: object = 1, kind: str = "MARKET") -> str:
    """The line of a trade ``at`` milliseconds after START."""
    return f"{START + at},{price},{amount},sell,{number},{(START + at) / 1000},{kind}"


def tape(folder: Path, lines: list[str], on_end: OnEnd = "shutdown") -> Recording:
    """A recording of trades."""
    return load(write(folder / "trades.csv.gz", lines, HEADER), FeedConfig(file="x", on_end=on_end))


@pytest.mark.req("F1")
def test_each_trade_is_one_row_of_no_length(tmp_path: Path) -> None:
    """Four equal prices, known at its own millisecond; those that share one are counted."""
    found = tape(tmp_path, [trade(1), trade(2, price="100.5"), trade(3, 7)])
    rows = [MARKET.decode(record.body) for record in found.read(0, 10)]
    first, second, third, end = rows

    assert isinstance(first, Candle)
    assert isinstance(second, Candle)
    assert isinstance(third, Candle)
    assert [(START, START, 0), (START, START, 1), (START + 7, START + 7, 0)] == [
        (row.open_ms, row.close_ms, row.nth) for row in (first, second, third)
    ]
    assert {Decimal("100.5")} == {second.open, second.high, second.low, second.close}
    assert "trade" == first.timeframe == found.timeframe
    assert isinstance(end, End)


@pytest.mark.req("F5")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "columns"),
        (f"{START},1,1,buy", "columns"),
        (f"{START},NaN,1,buy,1,,", "number"),
        (f"{START},-1,1,buy,1,,", "number"),
        (f"{START},1,inf,buy,1,,", "number"),
        (f"{START}.5,1,1,buy,1,,", "number"),
        (f"{LATEST_MS + 1},1,1,buy,1,,", "time"),
        (f"{START},0,1,buy,1,,", "price"),
        (f"{START},1,0,buy,1,,", "amount"),
        (f"{START},1,1,both,1,,", "side"),
        (f"{START},1,1,buy,1,,INSURANCE_FUND", "not_market"),
    ],
)
def test_bad_trade_names_its_fault(text: str, kind: str) -> None:
    """Each rule has a name, to be counted by."""
    assert kind == parse_trade(text, LAYOUT)


@pytest.mark.req("F5")
def test_a_print_of_the_insurance_fund_moves_nothing(tmp_path: Path) -> None:
    """It is no row: the tape goes on as if it had not been."""
    ordinary = [trade(1, 0), trade(3, 2)]
    found = tape(tmp_path, [ordinary[0], trade(2, 1, price="102", kind="INSURANCE_FUND"), ordinary[1]])

    assert {"not_market": 1} == found.rows.rejected
    assert tape(tmp_path, ordinary).id == found.id


@pytest.mark.req("F5")
def test_repeated_and_older_trades_are_skipped() -> None:
    """By id where there is one; by time never back."""
    lines = [trade(1, 5), trade(2, 5), trade(2, 5), trade(3, 4), trade(4, 6)]
    kept = validated(lines, LAYOUT)

    assert (lines[0], lines[1], lines[4]) == kept.texts
    assert {"duplicate": 1, "order": 1} == kept.rejected


def test_trades_without_ids_are_all_kept() -> None:
    """Two equal lines may well be two trades."""
    lines = [f"{START},1,1,buy", f"{START},1,1,buy"]

    assert 2 == len(validated(lines, Layout(0, trades=())).texts)


def test_amounts_of_binary_floats_are_taken_as_they_are() -> None:
    """A source's noise beyond the eighteenth place is no reason to lose a trade."""
    found = parse_trade(trade(1, amount="0.00031099999999999997"), LAYOUT)

    assert isinstance(found, Row)
    assert Decimal("0.00031099999999999997") == found.volume


def test_amounts_of_the_quote_currency_are_turned_into_the_base() -> None:
    """As with candles; what no number holds is a fault."""
    layout = Layout(0, volume="quote", trades=())
    found = parse_trade(f"{START},3,1,buy", layout)

    assert isinstance(found, Row)
    assert Decimal("0.33333333") == found.volume
    assert "volume" == parse_trade(f"{START},1e-9,999999999999999999e9,buy", layout)


@given(st.text(max_size=80) | st.lists(st.text("0123456789.eE+-NabuysellMRKT", max_size=9)).map(",".join))
def test_any_text_is_a_row_or_a_fault(text: str) -> None:
    """The parser never raises, whatever the line holds."""
    assert isinstance(parse_trade(text, Layout(0, volume="quote", trades=())), Row | str)


@given(
    gaps=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    data_ms=st.integers(-5, 120),
    on_end=st.sampled_from(("shutdown", "loop")),
)
def test_all_trades_of_a_moment_are_known_with_it(gaps: list[int], data_ms: int, on_end: OnEnd) -> None:
    """The last seq at a time is the last trade not later than it, in every lap."""
    times = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    rows = validated([trade(n, at) for n, at in enumerate(times)], LAYOUT)
    found = Recording(rows, Settings("BTC/USDT", "trade", LAYOUT, on_end))
    seq = found.seq_at(START + times[0] + data_ms)

    assert seq == 0 or found.close_ms(seq) <= START + times[0] + data_ms
    if seq < found.last_seq:
        assert found.close_ms(seq + 1) > START + times[0] + data_ms or seq == found.count


def test_laps_go_on_in_time(tmp_path: Path) -> None:
    """The first trade of the second lap is later than the last of the first, and counted alike."""
    found = tape(tmp_path, [trade(1), trade(2), trade(3)], "loop")
    rows = [MARKET.decode(record.body) for record in found.read(0, 6)]
    keys = [(row.open_ms, row.nth) for row in rows if isinstance(row, Candle)]

    assert sorted(set(keys)) == keys
    assert 6 == len(keys)


@pytest.mark.req("F1")
def test_a_paced_tape_releases_what_is_due(tmp_path: Path) -> None:
    """At speed 1 trades come in their own time, those of one millisecond together."""
    feed = FeedCore(tape(tmp_path, [trade(1), trade(2), trade(3, 500), trade(4, 1500)]), 1, None)
    released = []
    for now in (0.0, 0.4, 0.5, 1.2, 1.6):
        feed.advance(now, 0)
        feed.step()
        released.append(feed.source.last_seq)

    assert [2, 2, 3, 3, 5] == released
