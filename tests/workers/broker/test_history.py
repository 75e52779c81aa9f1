"""What stays on record: so many rows of each table, whatever the batches, and books that balance still."""

from __future__ import annotations

import pytest

from protocol.messages.trading import Cancel, Quantity, StrategyRecord, Through
from tests.workers.broker.bench import Bench, D, candle, order
from workers.broker.errors import LedgerBroken
from workers.broker.store import SWEPT_EVERY, check_ledger

ROWS = 700
KEEP = 80
COUNTED = ("orders", "fills", "ledger", "trades", "cancels")
MARKET = [candle(row, "100") for row in range(1, ROWS + 1)]


def busy() -> list[StrategyRecord]:
    """An order that rests for ever; then in turn a purchase, a sale, and a limit that is taken back."""
    said: list[StrategyRecord] = [order(1, name="rests", kind="limit", limit=D(1), size=Quantity(D(1)))]
    for row in range(2, ROWS):
        said.append(order(row, "buy" if row % 2 else "sell", Quantity(D(1)), leg=1))
        said.append(order(row, name=f"l-{row}", kind="limit", limit=D(2), size=Quantity(D(1)), leg=2))
        said.append(_cancel(row, f"l-{row - 1}"))
    return [*said, Through(ROWS)]


def _cancel(row: int, target: str) -> Cancel:
    return Cancel(client_order_id=f"c-{row}", strategy="s", row=row, leg=3, target=target, decided_ms=row)


def made(keep: int = KEEP) -> Bench:
    """Give a broker that has everything yet to do."""
    return Bench(MARKET, {"s": busy()}, contract="linear", keep_history=keep)


@pytest.fixture(scope="module")
def kept() -> Bench:
    """Give the books of all rows; whoever changes them changes them back."""
    return made().run()


def count(bench: Bench, table: str) -> int:
    ((found,),) = bench.rows(f"SELECT count(*) FROM {table}")
    assert isinstance(found, int)
    return found


@pytest.mark.req("X1")
def test_the_history_is_bounded_and_an_order_at_work_stays(kept: Bench) -> None:
    """The newest rows stay, each under its number; what rests since the beginning can still be seen."""
    whole = made(ROWS * 10).run()

    for table in COUNTED:
        assert count(whole, table) > KEEP + SWEPT_EVERY, table
        assert KEEP <= count(kept, table) <= KEEP + SWEPT_EVERY, table
    assert kept.rows("SELECT number, status FROM orders ORDER BY number LIMIT 1") == [(1, "accepted")]
    newest = "SELECT * FROM fills ORDER BY number DESC LIMIT 100"
    assert kept.rows(newest) == whole.rows(newest)
    assert kept.fills == whole.fills


@pytest.mark.req("X1", "X2")
def test_what_stays_depends_on_the_data_alone(kept: Bench) -> None:
    """Other batches, and a kill after each step: the same digest."""
    bench = made()
    while bench.core.finished is None and bench.cursors["feed"] < ROWS:
        for source in bench.received:
            bench.deliver(source, 137)
        bench.turn()
        bench.revive()

    assert bench.run().digest() == kept.digest()


@pytest.mark.req("B4", "X1")
def test_the_ledger_is_checked_from_the_oldest_row_kept(kept: Bench) -> None:
    """What was forgotten stands for its balance; what is there must add up from it."""
    books = kept.core._state.books
    check_ledger(kept.disk, books)
    ((oldest,),) = kept.rows("SELECT min(number) FROM ledger")
    assert oldest != 1

    kept.disk.execute("BEGIN")
    kept.disk.execute("UPDATE ledger SET amount = '-1' WHERE number = ? + 1", (oldest,))
    with pytest.raises(LedgerBroken):
        check_ledger(kept.disk, books)
    kept.disk.execute("ROLLBACK")
