"""What is on disk: the ledger against the books, and the keys that are a second net under the core."""

from __future__ import annotations

import sqlite3

import pytest

from protocol.messages.trading import Through
from tests.workers.broker.bench import Bench, candle, order
from workers.broker import store
from workers.broker.errors import LedgerBroken
from workers.broker.store import check_ledger


@pytest.fixture
def bench() -> Bench:
    """Give a broker with one fill on its books."""
    return Bench([candle(1, "100"), candle(2, "100")], {"s": [order(1), Through(2)]}).run()


@pytest.mark.req("B4")
@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE ledger SET amount = '-1' WHERE kind = 'fee'",
        "UPDATE ledger SET balance = '1' WHERE number = (SELECT max(number) FROM ledger)",
        "DELETE FROM ledger WHERE kind = 'fee'",
    ],
)
def test_a_ledger_that_was_changed_is_found_at_the_start(bench: Bench, tampering: str) -> None:
    """Its rows must add up to its last balance, and that is the cash of the books."""
    books = bench.core._state.books
    check_ledger(bench.disk, books)
    bench.disk.execute(tampering)

    with pytest.raises(LedgerBroken):
        check_ledger(bench.disk, books)


@pytest.mark.req("B1")
def test_a_repeated_fill_id_breaks_the_transaction(bench: Bench) -> None:
    """Whatever the core believes: nothing of that step is kept, and the process ends."""
    (fill,) = bench.fills
    assert fill.fill_id == "s-1-0:1"
    again = store.insert_fill(2, fill)

    with pytest.raises(sqlite3.IntegrityError):
        bench.disk.execute(again.sql, again.parameters)
