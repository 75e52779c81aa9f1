"""The identity of orders."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace

from tests.workers.strategy.market import candle
from workers.strategy.orders import client_order_id
from workers.strategy.state import Tally


@pytest.mark.req("B1")
def test_identity_is_of_the_decision() -> None:
    """The same decision made twice is one order; any other candle, leg or strategy is another."""
    same = {client_order_id("s", candle(1, 10), 0), client_order_id("s", candle(1, 11), 0)}
    others = {
        client_order_id("t", candle(1, 10), 0),
        client_order_id("s", candle(2, 10), 0),
        client_order_id("s", candle(1, 10), 1),
    }

    assert (1, 3) == (len(same), len(others - same))
    assert hashlib.sha256(b"s|BTC/USDT|1m|60000|0").hexdigest()[:32] in same


@pytest.mark.req("T1")
def test_rows_of_one_moment_are_told_apart() -> None:
    """Trades of one millisecond: each is taken once and in order, and its decisions are its own."""
    first = candle(1, 10)
    second = replace(first, nth=1)
    tally = Tally()
    tally.took(first)

    assert (False, True) == (tally.before(first), tally.before(second))
    tally.took(second)
    assert (False, False) == (tally.before(first), tally.before(second))
    assert tally.before(candle(2, 10))
    assert client_order_id("s", first, 0) != client_order_id("s", second, 0)
