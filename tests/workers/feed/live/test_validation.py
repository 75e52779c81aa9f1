"""What no market can have said, value by value: the last one that is in order, and the first that is not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from workers.feed.exchanges.events import BestQuote, Kline, MarkPrice, Print
from workers.feed.live.validation import far_off, kline_fault, mark_fault, print_fault, quote_fault

NOW = 1_700_000_040_000
MINUTE = 60_000


def decimals(*values: object) -> list[Decimal]:
    return [Decimal(str(value)) for value in values]


@pytest.mark.req("F5")
@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ((100, 110, 90, 105, 0), None),
        ((100, 100, 100, 100, 1), None),
        (("0.01", 110, "0.01", 105, 1), None),
        ((100, 110, 0, 105, 1), "price"),
        ((100, 110, -1, 105, 1), "price"),
        ((100, 110, 101, 105, 1), "range"),
        ((105, 110, 101, 100, 1), "range"),
        ((100, 104, 90, 105, 1), "range"),
        ((105, 104, 90, 100, 1), "range"),
        ((100, 110, 90, 105, -1), "volume"),
    ],
)
def test_a_candle_holds_together(values: tuple[object, ...], fault: str | None) -> None:
    """Open, high, low, close, volume: the low is the lowest and above zero, the high the highest."""
    assert fault == kline_fault(Kline.of(NOW, decimals(*values)), MINUTE, NOW)


@pytest.mark.req("F5")
@pytest.mark.parametrize(
    ("open_ms", "fault"),
    [
        (NOW, None),
        (0, None),
        (NOW + 1, "off_grid"),
        (NOW + MINUTE, None),
        (NOW + 2 * MINUTE, "age"),
    ],
)
def test_a_candle_opens_on_the_grid_and_not_in_a_future(open_ms: int, fault: str | None) -> None:
    """The past is of any age; one that opens more than a minute from now does not exist."""
    assert fault == kline_fault(Kline.of(open_ms, decimals(1, 1, 1, 1, 1)), MINUTE, NOW)


@pytest.mark.req("F5")
@pytest.mark.parametrize(
    ("bid", "bid_size", "ask", "ask_size", "fault"),
    [
        (99, 1, 100, 1, None),
        (99, 0, 100, 0, None),
        (0, 1, 100, 1, "price"),
        (-1, 1, 100, 1, "price"),
        (-2, 1, -1, 1, "price"),
        (99, 1, 0, 1, "price"),
        (99, -1, 100, 1, "amount"),
        (99, 1, 100, -1, "amount"),
        (100, 1, 100, 1, "crossed"),
        (101, 1, 100, 1, "crossed"),
    ],
)
def test_a_quote_has_two_sides(bid: int, bid_size: int, ask: int, ask_size: int, fault: str | None) -> None:
    """Both above zero, the bid below the ask; a side may be empty."""
    assert fault == quote_fault(BestQuote.of(decimals(bid, bid_size, ask, ask_size)), NOW)


AGES = [(0, None), (60_000, None), (60_001, "age"), (-60_000, None), (-60_001, "age")]


@pytest.mark.req("F5")
@pytest.mark.parametrize(("age_ms", "fault"), AGES)
def test_what_is_of_another_minute_says_nothing_about_now(age_ms: int, fault: str | None) -> None:
    """Quotes, trades and mark prices alike, older or from ahead of the exchange's clock."""
    at_ms, one = NOW - age_ms, Decimal(1)

    assert fault == quote_fault(BestQuote.of(decimals(1, 1, 2, 1), at_ms), NOW)
    assert fault == print_fault(Print("1", one, one, "buy", at_ms), NOW)
    assert fault == mark_fault(MarkPrice(one, at_ms), NOW)


@pytest.mark.req("F5")
@pytest.mark.parametrize(
    ("price", "amount", "fault"),
    [(1, 1, None), (0, 1, "price"), (-1, 1, "price"), (1, 0, "amount"), (1, -1, "amount")],
)
def test_a_trade_is_of_something_for_something(price: int, amount: int, fault: str | None) -> None:
    """Price and amount are above zero."""
    assert fault == print_fault(Print("1", Decimal(price), Decimal(amount), "buy", NOW), NOW)


@pytest.mark.req("F5")
@pytest.mark.parametrize(
    ("mark", "index", "rate", "fault"),
    [
        (100, None, None, None),
        (100, 0, 0, None),
        (0, None, None, "price"),
        (-1, None, None, "price"),
        (100, -1, None, "price"),
        (100, 100, "0.99", None),
        (100, 100, "-0.99", None),
        (100, 100, 1, "rate"),
        (100, 100, -1, "rate"),
    ],
)
def test_a_mark_price_and_its_rate_are_possible(
    mark: int, index: int | None, rate: object, fault: str | None
) -> None:
    """Nobody pays the whole position as funding."""
    found = MarkPrice(
        Decimal(mark),
        NOW,
        index=None if index is None else Decimal(index),
        rate=None if rate is None else Decimal(str(rate)),
    )

    assert fault == mark_fault(found, NOW)


@pytest.mark.req("F5")
@pytest.mark.parametrize(
    ("price", "last", "far"),
    [(150, 100, False), (151, 100, True), (50, 100, False), (49, 100, True), (1, None, False)],
)
def test_half_of_the_last_price_is_the_most_that_is_believed_at_once(
    price: int, last: int | None, far: bool
) -> None:
    """Up and down; the first price of all is believed."""
    assert far == far_off(Decimal(price), None if last is None else Decimal(last))
