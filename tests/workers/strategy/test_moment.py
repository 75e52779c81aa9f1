"""The moment of a decision: which price it saw, whether it came too late, and its name."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.workers.shared.test_prices import mark, quote, trade
from tests.workers.strategy.market import MINUTE, candle, role
from workers.strategy.api import Price
from workers.strategy.moment import LATE_MS, at_close, at_price
from workers.strategy.watch import Watch

WATCH = Watch(role(), 2, 0)


@pytest.mark.req("T6")
@pytest.mark.parametrize(("price", "seen"), [(quote(10), "10.5"), (trade(10), "10"), (mark(10), "10")])
def test_a_live_price_is_what_was_seen(price: Price, seen: str) -> None:
    """Of a quote the middle; an order carries it as the price at which it was decided."""
    assert Decimal(seen) == at_price(WATCH, 1, price, 1, 5).price


@pytest.mark.req("T1")
@pytest.mark.parametrize(("length_ms", "grace_ms"), [(MINUTE, MINUTE // 4), (1000, LATE_MS)])
def test_a_candle_is_late_after_a_quarter_of_its_length(length_ms: int, grace_ms: int) -> None:
    """But five seconds are granted to the shortest; on a recording nothing is late."""
    closed = replace(candle(0, 1), close_ms=candle(0, 1).open_ms + length_ms)

    assert not at_close(WATCH, 1, closed, closed.close_ms + grace_ms).late
    assert at_close(WATCH, 1, closed, closed.close_ms + grace_ms + 1).late
    assert not at_close(WATCH, 1, closed, None).late


@pytest.mark.req("T1")
def test_rows_of_one_time_have_names_of_their_own() -> None:
    """The orders of two trades of a tape in one millisecond are two."""
    first = candle(0, 1)

    assert str(first.open_ms) == at_close(WATCH, 1, first, None).name
    assert f"{first.open_ms}.1" == at_close(WATCH, 2, replace(first, nth=1), None).name
