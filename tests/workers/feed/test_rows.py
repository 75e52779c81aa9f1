"""Validation of the rows of a recording."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.feed.candles import MINUTE, START, row
from workers.feed.row import LATEST_MS, Layout, Row, price
from workers.feed.rows import parse, validated

LAYOUT = Layout(timeframe_ms=MINUTE)


def test_valid_row_keeps_its_digits() -> None:
    """Prices are the source's own digits, never a binary float's."""
    found = parse(f"{START},100.10,100.30,100.05,100.20,0.10000001", LAYOUT)

    expected = Row(
        START,
        Decimal("100.10"),
        Decimal("100.30"),
        Decimal("100.05"),
        Decimal("100.20"),
        Decimal("0.10000001"),
    )
    assert expected == found


def test_close_times_are_turned_into_open_times() -> None:
    """A file that stamps candles with their end gives the same candles as one that stamps their start."""
    found = parse(row(1), Layout(MINUTE, time="close"))

    assert isinstance(found, Row)
    assert START == found.open_ms


def test_quote_volume_is_turned_into_base_volume() -> None:
    """Volume in dollars becomes an amount of eight places."""
    found = parse(row(0, close=3, volume=1), Layout(MINUTE, volume="quote"))

    assert isinstance(found, Row)
    assert Decimal("0.33333333") == found.volume


def test_a_volume_that_no_number_holds_is_a_fault() -> None:
    """Dollars without end over a price of nearly nothing: no candle, and no exception."""
    text = f"{START},1e-9,1e-9,1e-9,1e-9,999999999999999999e9"

    assert "volume" == parse(text, Layout(MINUTE, volume="quote"))


@pytest.mark.req("F1")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "columns"),
        (f"{START},1,1,1,1", "columns"),
        (f"{START},1,1,1,1,1,1", "columns"),
        (f"{START},x,1,1,1,1", "number"),
        (f"{START},NaN,1,1,1,1", "number"),
        (f"{START},Infinity,1,1,1,1", "number"),
        (f"{START},1e999999,1,1,1,1", "number"),
        (f"{START},-1,1,1,1,1", "number"),
        (f"{START},1,1,1,1,-1", "number"),
        (f"{START},\u0661,1,1,1,1", "number"),
        ("soon,1,1,1,1,1", "number"),
        (f"{START}.5,1,1,1,1,1", "number"),
        (f"{LATEST_MS // MINUTE * MINUTE},1,1,1,1,1", "time"),
        (f"{START + 1},1,1,1,1,1", "off_grid"),
        (f"{START},0,0,0,0,1", "price"),
        (f"{START},1,1,0,1,1", "price"),
        (f"{START},1,2,1.5,1.7,1", "range"),
        (f"{START},1,1,1,2,1", "range"),
        (f"{START},2,1,3,2,1", "range"),
    ],
)
def test_bad_row_names_its_fault(text: str, kind: str) -> None:
    """Each rule of validation has a name, to be counted by."""
    assert kind == parse(text, LAYOUT)


@pytest.mark.req("F1")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.0012999999999999999", "0.001300000000000000"),  # 19 places
        ("1.234e-05", "0.000012340000000000"),
        ("0.00012345678901234567", "0.000123456789012346"),
        ("0.000052000000000000004", "0.000052000000000000"),
        ("1e2", "100"),
        ("0.9246000000000001", "0.9246000000000001"),
    ],
)
def test_a_number_that_was_kept_as_a_binary_float_is_read(text: str, value: str) -> None:
    """Whatever Python and JSON write of a float is a number; beyond 18 places, which no books take, it is
    noise."""
    assert Decimal(value) == price(text)
    assert isinstance(parse(f"{START},{text},{text},{text},{text},1", LAYOUT), Row)


@given(st.floats(1e-12, 1e15))
def test_any_float_of_a_market_is_read_in_at_most_18_places(value: float) -> None:
    """No row is lost to the way in which its numbers are written, and none says more than books take."""
    found = price(repr(value))

    assert found is not None
    assert abs(found - Decimal(value)) <= Decimal(value) * Decimal("1e-15") + Decimal("1e-18")
    assert -18 <= int(found.as_tuple().exponent)


@given(st.text(max_size=80))
def test_any_text_is_a_row_or_a_fault(text: str) -> None:
    """The parser never raises, whatever the line holds."""
    assert isinstance(parse(text, Layout(MINUTE, "close", "quote")), Row | str)


NUMBER_LIKE = st.one_of(
    st.integers(-5, 10**20).map(str),
    st.decimals(allow_nan=True).map(str),
    st.text("0123456789.eE+-", max_size=12),
)


@given(st.lists(NUMBER_LIKE, min_size=5, max_size=7))
def test_almost_valid_rows_are_rows_or_faults(fields: list[str]) -> None:
    """Extreme numbers neither raise nor become prices that are not positive and finite."""
    found = parse(",".join([str(START), *fields]), Layout(MINUTE, volume="quote"))

    if isinstance(found, Row):
        assert 0 < found.low <= min(found.open, found.close) <= max(found.open, found.close) <= found.high
        assert found.volume.is_finite()
        assert found.volume >= 0


@pytest.mark.req("F1")
def test_repeated_and_older_rows_are_skipped() -> None:
    """What goes out is strictly increasing in time."""
    kept = validated([row(0), row(1), row(1, 101), row(0), row(2)], LAYOUT)

    assert (row(0), row(1), row(2)) == kept.texts
    assert {"order": 2} == kept.rejected


def test_skipped_rows_are_told_with_their_line() -> None:
    """The first bad rows can be found in the file: the header is line 1."""
    kept = validated([row(0), "garbage", row(1)], LAYOUT)

    assert [(3, "columns", "garbage")] == [(bad.line, bad.kind, bad.text) for bad in kept.examples]


def test_empty_lines_are_nothing() -> None:
    """A trailing newline is no bad row."""
    assert {} == validated([row(0), "", "  "], LAYOUT).rejected


def test_a_lone_close_far_off_is_dropped() -> None:
    """A print that the next row does not confirm never becomes a candle."""
    kept = validated([row(0, 100), row(1, 900), row(2, 101)], LAYOUT)

    assert (row(0, 100), row(2, 101)) == kept.texts
    assert {"far_off": 1} == kept.rejected


def test_a_confirmed_jump_is_kept() -> None:
    """A real jump is confirmed by the row after it, and both go out."""
    kept = validated([row(0, 100), row(1, 900), row(2, 905)], LAYOUT)

    assert (row(0, 100), row(1, 900), row(2, 905)) == kept.texts


def test_an_unconfirmed_last_row_is_dropped() -> None:
    """At the end of the file there is nothing left to confirm it."""
    assert {"far_off": 1} == validated([row(0, 100), row(1, 10)], LAYOUT).rejected
