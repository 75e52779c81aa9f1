"""The ``paper`` command on real databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from protocol.journal import Journal
from protocol.messages.trading import EquityFraction, Quantity, Signal, Through, WholePosition
from tests.workers.broker.bench import BTC, MINUTE, Bench, D, candle, order
from workers.broker import store
from workers.paper import cli
from workers.strategy import tables


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli, arguments)


def lines(*arguments: str) -> list[dict[str, Any]]:
    """Run a listing with --json and return its objects."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def keep_signal(state_dir: Path, child: str, at_ms: int) -> None:
    """Write a strategy's database with one signal."""
    signal = Signal(
        strategy=child,
        symbol=BTC,
        timeframe="1m",
        row=1,
        at_ms=at_ms,
        action="enter_long",
        confidence=D("0.7"),
        reasons=("fast above slow",),
    )
    write = tables.stored(signal)
    journal = Journal.open(state_dir / "data" / f"{child}.db", stream=child, tables=tables.TABLES)
    journal.commit(statements=[(write.sql, write.parameters)])
    journal.close()


def kept(state_dir: Path, bench: Bench) -> Path:
    """Write the database of a broker."""
    journal = Journal.open(state_dir / "data" / "broker.db", stream="broker", tables=store.TABLES)
    for step in bench.steps:
        journal.commit(state=step.state, statements=[(w.sql, w.parameters) for w in step.writes])
    journal.close()
    return state_dir


@pytest.fixture
def bench() -> Bench:
    """Give a broker that has bought, sold half of it, and denied an order."""
    market = [candle(row, "100") for row in range(1, 5)]
    sell = order(2, "sell", EquityFraction(D("0.05")))
    bad = order(3, "sell", WholePosition())
    return Bench(market, {"s": [order(1), Through(1), sell, Through(2), bad, Through(4)]}).run()


@pytest.fixture
def traded(state_dir: Path, bench: Bench) -> Path:
    """Give a state directory with that broker's database."""
    return kept(state_dir, bench)


@pytest.mark.parametrize("decided_ms", [2**63 - 1, 2**64 - 1, -(2**63)])
def test_a_denied_order_of_a_year_that_no_calendar_has_hid_all_orders(
    state_dir: Path, decided_ms: int
) -> None:
    """A foreign strategy may say anything: it is stored, and shown, and so are the others."""
    odd = replace(order(1, size=Quantity(D(0)), name="odd"), decided_ms=decided_ms, expires_ms=-(2**63))
    kept(state_dir, Bench([candle(1, "100"), candle(2, "100")], {"s": [odd, Through(2)]}).run())

    (shown,) = lines("orders", "--state-dir", str(state_dir))
    assert (shown["client_order_id"], shown["status"]) == ("odd", "denied")
    assert shown["expires"] == f"{1 - 2**63} ms"
    assert run("orders", "--state-dir", str(state_dir)).exit_code == 0


def test_fills_oldest_first_with_amounts_as_strings(traded: Path) -> None:
    """JSON Lines."""
    bought, sold = lines("fills", "--state-dir", str(traded))

    assert (bought["side"], sold["side"]) == ("buy", "sell")
    assert (bought["price"], bought["quantity"], bought["at"]) == ("100.01", "10", "1970-01-01T00:01:00.000Z")
    assert (bought["at_ms"], bought["row"], bought["liquidity"]) == (MINUTE, 2, "taker")


def test_orders_with_their_states(traded: Path) -> None:
    """Denied ones with the code."""
    states = [(o["status"], o["code"], o["reduce_only"]) for o in lines("orders", "--state-dir", str(traded))]

    assert states == [("filled", None, False), ("filled", None, False), ("denied", "invalid_size", False)]


def test_the_table_of_orders_says_why_one_was_denied(traded: Path) -> None:
    """By its code."""
    denied = run("orders", "--state-dir", str(traded)).stdout.splitlines()[-1]

    assert "denied" in denied
    assert "invalid_size" in denied


def test_positions_are_what_is_held_now(traded: Path, bench: Bench) -> None:
    """Quantity, average entry, contract."""
    (held,) = lines("positions", "--state-dir", str(traded))

    assert D(held["quantity"]) == bench.fills[-1].position
    assert (held["symbol"], held["average"], held["contract"]) == (BTC, "100.01", "spot")


def test_signals_of_all_strategies_in_order(state_dir: Path) -> None:
    """Merged by the time of the data."""
    keep_signal(state_dir, "late", 2 * MINUTE)
    keep_signal(state_dir, "early", MINUTE)
    early, late = lines("signals", "--state-dir", str(state_dir))

    assert (early["strategy"], late["strategy"]) == ("early", "late")
    assert (early["confidence"], early["reasons"], early["traded"]) == ("0.7", ["fast above slow"], True)


def test_signals_of_one_strategy_or_only_the_newest(state_dir: Path) -> None:
    """By the id of the child, and by number over all of them; why one was not traded is told."""
    for minute in (1, 3, 5):
        keep_signal(state_dir, "odd", minute * MINUTE)
    keep_signal(state_dir, "even", 4 * MINUTE)
    place = ("--state-dir", str(state_dir))

    assert [1, 3, 5] == [it["at_ms"] // MINUTE for it in lines("signals", "--strategy", "odd", *place)]
    assert [4, 5] == [it["at_ms"] // MINUTE for it in lines("signals", "--limit", "2", *place)]
    assert [None] == [it["why_not"] for it in lines("signals", "--strategy", "even", *place)]
    assert "no worker 'none'" in run("signals", "--strategy", "none", *place).stderr


@pytest.mark.req("X2")
def test_the_digest_is_one_line_and_that_of_the_books(traded: Path, bench: Bench) -> None:
    """Whatever the time, the process or the order of reading."""
    result = run("ledger", "--digest", "--state-dir", str(traded))

    assert result.stdout == bench.digest() + "\n"
    assert len(result.stdout) == 65


def test_the_ledger_ends_at_the_cash(traded: Path) -> None:
    """Deposit, trade and fee, trade and fee."""
    kinds = [row["kind"] for row in lines("ledger", "--state-dir", str(traded))]

    assert kinds == ["deposit", "trade", "fee", "trade", "fee"]


@pytest.mark.parametrize("command", ["fills", "orders", "positions", "ledger"])
def test_people_get_a_table(traded: Path, command: str) -> None:
    """A head line and a line for each row."""
    result = run(command, "--state-dir", str(traded))

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 1


def test_works_while_the_broker_writes(traded: Path) -> None:
    """The writer's connection is open; readers see the last commit."""
    journal = Journal.open(traded / "data" / "broker.db", stream="broker", tables=store.TABLES)
    try:
        assert len(lines("fills", "--state-dir", str(traded))) == 2
    finally:
        journal.close()


def test_the_state_directory_may_come_from_the_environment(
    traded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for the other program."""
    monkeypatch.setenv("SUPERVISOR_STATE_DIR", str(traded))

    assert len(lines("fills")) == 2


@pytest.mark.parametrize("command", [["fills"], ["signals"], ["ledger", "--digest"]])
def test_nothing_to_read_is_one_sentence(state_dir: Path, command: list[str]) -> None:
    """Exit 1, nothing on stdout, and what to do."""
    result = run(*command, "--state-dir", str(state_dir))

    assert (result.exit_code, result.stdout) == (1, "")
    assert "--state-dir" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_no_root_ever_known_is_one_sentence(runtime_dir: Path) -> None:
    """Neither running nor remembered."""
    result = run("fills")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "supervisor start" in result.stderr


def test_a_damaged_database_is_named_and_the_others_are_read(traded: Path) -> None:
    """It may be another worker's."""
    (traded / "data" / "aaa.db").write_bytes(b"this is not a database, it only looks like a file" * 100)
    result = run("fills", "--json", "--state-dir", str(traded))

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert "aaa.db" in result.stderr


def test_two_brokers_need_a_name(traded: Path) -> None:
    """The digest is of one ledger."""
    Journal.open(traded / "data" / "other.db", stream="other", tables=store.TABLES).close()

    assert run("ledger", "--digest", "--state-dir", str(traded)).exit_code == 2
    assert run("ledger", "--digest", "--broker", "broker", "--state-dir", str(traded)).exit_code == 0
