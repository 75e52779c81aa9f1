"""A broker put together from its section of the tree file, on real databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from protocol.journal import Journal
from protocol.messages.control import Launch
from protocol.messages.trading import Through
from tests.workers.broker.bench import Bench, candle, order
from workers.broker import app, store
from workers.broker.errors import BadFundingFile, LedgerBroken, OtherVersion
from workers.shared.exits import PersonMustLook
from workers.shared.worker import Context, Worker


@contextmanager
def built(folder: Path, **config: Any) -> Iterator[Worker]:
    """Build a broker and close its journal."""
    launch = Launch(
        child="broker",
        path="root/broker",
        incarnation=1,
        runtime_dir=str(folder),
        state_dir=str(folder),
        config_dir=str(folder),
        config={"mode": "paper", **config},
    )
    worker = app.build(Context(launch))
    try:
        yield worker
    finally:
        worker.journal.close()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Give a state directory with the books of some trades."""
    bench = Bench([candle(row, "100") for row in (1, 2, 3)], {"s": [order(1), Through(3)]}).run()
    journal = Journal.open(tmp_path / "data" / "broker.db", stream="broker", tables=store.TABLES)
    for step in bench.steps:
        journal.commit(state=step.state, statements=[(w.sql, w.parameters) for w in step.writes])
    journal.close()
    return tmp_path


@pytest.mark.req("B8")
@pytest.mark.parametrize("config", [{"backend": "exchange"}, {"mode": "live"}])
def test_a_real_account_is_refused_before_anything_is_touched(tmp_path: Path, config: dict[str, Any]) -> None:
    """No database, no lock: the process ends with 78 and is parked, others go on."""
    with pytest.raises(PersonMustLook, match="later version"), built(tmp_path, **config):
        pass

    assert list(tmp_path.iterdir()) == []


def edited(folder: Path, sql: str, *values: object) -> None:
    """Tamper with the books."""
    with closing(sqlite3.connect(folder / "data" / "broker.db", isolation_level=None)) as books:
        books.execute(sql, values)


@pytest.fixture(autouse=True)
def no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the lock to its own test: it lasts as long as the process."""
    monkeypatch.setattr(app, "hold", lambda _path: 0)


@pytest.mark.req("B5")
def test_books_that_are_whole_are_taken_up_again(kept: Path) -> None:
    """With all that they counted."""
    with built(kept) as worker:
        assert worker.core.counters()["fills"] == 1


@pytest.mark.req("B4")
@pytest.mark.req("B5")
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger SET balance = '1' WHERE number = (SELECT max(number) FROM ledger)",
        "UPDATE ledger SET amount = '1.00000001' WHERE number = 2",
        "DELETE FROM ledger WHERE number = 2",
    ],
)
def test_a_ledger_that_does_not_add_up_stops_the_broker_at_the_start(kept: Path, sql: str) -> None:
    """One cent in the table is enough: exit 78."""
    edited(kept, sql)
    with pytest.raises(LedgerBroken), built(kept):
        pass


@pytest.mark.req("B5")
def test_books_of_another_version_are_left_alone(kept: Path) -> None:
    """In words, exit 78; nothing is changed."""
    edited(kept, "UPDATE core_state SET body = ?", b"\x81\xa6schema\x01")
    with pytest.raises(OtherVersion), built(kept):
        pass


@pytest.mark.parametrize(
    "config",
    [
        {"leverage": "0.5"},
        {"leverage": "NaN"},
        {"leverage": "1000"},
        {"entry_delay": "soon"},
        {"max_order_age": -1},
        {"breakers": "on"},
        {"breakers": {"daily_loss": "3"}},
        {"breakers": {"daily_los": "0.03"}},
        {"breakers": {"losses": -1}},
        {"breakers": {"cooldown": "x"}},
        {"on_shutdown": "flee"},
        {"continuous": "yes"},
        {"backend": "exchange"},
    ],
    ids=str,
)
def test_a_key_that_makes_no_sense_needs_a_person(tmp_path: Path, config: dict[str, Any]) -> None:
    """The sentence names it, before any file is made."""
    (key,) = config
    with pytest.raises(PersonMustLook, match=key), built(tmp_path, **config):
        pass
    assert not (tmp_path / "data" / "broker.db").exists()


def test_a_funding_file_is_found_beside_the_tree_file(tmp_path: Path) -> None:
    """And needs a person where it is not there."""
    (tmp_path / "rates.csv").write_text("ts_ms,rate\n1,0.1\n")
    with built(tmp_path, funding_file="rates.csv", leverage="3", breakers={"losses": 0}):
        pass
    with pytest.raises(BadFundingFile), built(tmp_path, funding_file="other.csv"):
        pass
