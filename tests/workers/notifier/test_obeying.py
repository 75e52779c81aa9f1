"""What is done for a chat: the root is asked, brokers are told, books are read."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from protocol.codec import INSTRUCTIONS
from protocol.errors import NoAnswer
from protocol.journal import Journal, open_readonly, read_records
from protocol.messages.instruction import Instructed, KillSwitch, Pause, Resume
from protocol.messages.operator import Answer, Outcome
from protocol.messages.trading import Signal
from tests.workers.broker.bench import D
from tests.workers.notifier.test_watch import child, tree
from workers.broker import store
from workers.notifier.books import MOST_POINTS, Books
from workers.notifier.commands import Wish
from workers.notifier.obeying import Obeying
from workers.shared.core import Write
from workers.shared.instructing import instructions_file
from workers.strategy import tables

HOUR = 3_600_000


class FakeRoot:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, tuple[str, ...], bool]] = []
        self.silent = False

    def status(self) -> dict[str, Any]:
        """Answer, or not."""
        if self.silent:
            raise NoAnswer("root", 1.0)
        return tree(child("feed"), child("broker", "backoff"))

    def change(self, verb: str, names: tuple[str, ...], *, everything: bool = False) -> Answer:
        """Do it, unless the child is unknown."""
        self.changes.append((verb, names, everything))
        if "fed" in names:
            outcomes = (Outcome(child="fed", ok=False, detail="no such child; did you mean feed?"),)
            return Answer(request="r", ok=False, code=1, outcomes=outcomes)
        return Answer(request="r", ok=True, message="asked")


@pytest.fixture
def root() -> FakeRoot:
    """Give a root."""
    return FakeRoot()


@pytest.fixture
def obeying(state_dir: Path, root: FakeRoot) -> Obeying:
    """Give the hands of the commands, in a directory where a broker has kept books."""
    writes = [store.insert_equity(HOUR * n, equity=str(100 + n), cash="100") for n in range(5)]
    keep(state_dir, "broker", store.TABLES, writes)
    books = Books(state_dir, ("broker",))
    return Obeying(state_dir, root, books, ("broker",), lambda: "the day so far")  # type: ignore[arg-type]


def keep(state_dir: Path, name: str, made: tuple[str, ...], writes: list[Write]) -> None:
    """Write a worker's database."""
    (state_dir / "data").mkdir(exist_ok=True)
    journal = Journal.open(state_dir / "data" / f"{name}.db", stream=name, tables=made)
    journal.commit(statements=[(write.sql, write.parameters) for write in writes])
    journal.close()


def told(state_dir: Path) -> list[Instructed]:
    """Return what the broker was told."""
    connection = open_readonly(instructions_file(state_dir, "broker"))
    try:
        return [INSTRUCTIONS.decode(record.body) for record in read_records(connection, after=0, limit=99)]
    finally:
        connection.close()


def do(obeying: Obeying, command: str, *names: str) -> str:
    """Have something done for chat 42."""
    return obeying.perform(Wish("42", command, names))


@pytest.mark.req("N4")
def test_children_are_restarted_started_and_stopped(obeying: Obeying, root: FakeRoot) -> None:
    """One, several, or everything; a name that is wrong is told with the nearest one."""
    assert do(obeying, "restart", "feed", "broker") == "feed: is being restarted\nbroker: is being restarted"
    assert do(obeying, "start", "feed") == "feed: is being started"
    assert do(obeying, "stop", "all") == "everything: is being stopped"
    assert do(obeying, "stop", "fed") == "fed: no such child; did you mean feed?"
    assert root.changes[0] == ("restart", ("feed", "broker"), False)
    assert root.changes[2] == ("stop", (), True)


@pytest.mark.req("N4")
def test_a_broker_is_paused_resumed_and_killed_by_lasting_instructions(
    obeying: Obeying, state_dir: Path
) -> None:
    """On disk, with who gave them, whether or not the broker runs."""
    do(obeying, "pause")
    do(obeying, "resume")
    do(obeying, "killswitch")
    assert do(obeying, "killswitch", "off") == "broker: told (off; /resume lets entries in again)"

    found = told(state_dir)
    assert [one.instruction for one in found] == [
        Pause(),
        Resume(),
        KillSwitch(on=True),
        KillSwitch(on=False),
    ]
    assert {one.by for one in found} == {"telegram:42"}


@pytest.mark.req("N4")
def test_positions_profit_signals_and_the_day_are_read(obeying: Obeying, state_dir: Path) -> None:
    """From the books, which are not changed; what is not there is nothing."""
    assert do(obeying, "positions") == "Nothing is held"
    assert do(obeying, "profit") == "No trade was closed yet"
    assert do(obeying, "signals") == "No signal yet"
    trade = "INSERT INTO trades VALUES (?, 'BTC', 's', 'long', '1', '1', '2', 1, 2, ?, '0.5', '0', 'target')"
    writes = [
        Write("INSERT INTO positions VALUES ('BTC', 'spot', '0.50', '42000.10', '1', 1)"),
        Write(trade, (1, "10")),
        Write(trade, (2, "-2.5")),
    ]
    keep(state_dir, "broker", store.TABLES, writes)
    signal = Signal(
        strategy="trend", symbol="BTC", timeframe="1m", row=1, at_ms=HOUR, action="exit", confidence=D("0.7")
    )
    keep(state_dir, "trend", tables.TABLES, [tables.stored(signal)])

    assert do(obeying, "positions") == "BTC: 0.5 at 42000.1"
    assert do(obeying, "profit") == "Profit 7.5 after fees of 1, 2 trades, 50% won"
    assert do(obeying, "signals") == "01-01 01:00 trend BTC: exit (0.7)"
    later = replace(signal, strategy="other", at_ms=2 * HOUR)
    keep(state_dir, "other", tables.TABLES, [tables.stored(replace(later, at_ms=3)), tables.stored(later)])
    assert [line[6:17] for line in do(obeying, "signals").splitlines()] == [
        "02:00 other",
        "01:00 trend",
        "00:00 other",
    ]
    assert do(obeying, "daily") == "the day so far"


@pytest.mark.req("N4")
def test_logs_and_status_and_why(obeying: Obeying, state_dir: Path) -> None:
    """The last lines; a log that is not there is told with those that are."""
    (state_dir / "log").mkdir()
    lines = [
        json.dumps(
            {
                "time": f"2026-01-01T00:00:{n:02}.000Z",
                "level": "INFO",
                "process": "feed",
                "message": "m",
                "n": n,
            }
        )
        for n in range(30)
    ]
    (state_dir / "log" / "feed.jsonl").write_text("\n".join([*lines, "torn {"]))

    said = do(obeying, "logs", "feed").splitlines()
    assert said[-2:] == ["00:00:29 INFO m n=29", "torn {"]
    assert len(said) == 12
    assert do(obeying, "logs", "fed") == "There is no log of fed; there are: feed"
    assert "broker: backoff" in do(obeying, "status")
    assert do(obeying, "why", "fed") == "There is no child 'fed'; there are: feed, broker"


@pytest.mark.req("N4")
def test_what_cannot_be_done_is_answered_in_words(obeying: Obeying, root: FakeRoot, state_dir: Path) -> None:
    """A root that is silent, a broker that never was, a database that is damaged."""
    root.silent = True
    assert do(obeying, "status") == "/status: the root does not answer"
    (state_dir / "data" / "broker.db").write_bytes(b"no database at all" * 100)
    assert "not a database" in do(obeying, "positions")
    (state_dir / "data" / "broker.db").unlink()
    assert do(obeying, "positions") == "Nothing is held"
    assert "no broker 'broker' keeps books" in do(obeying, "pause")


@pytest.mark.req("N1")
def test_the_course_of_the_equity(obeying: Obeying, state_dir: Path) -> None:
    """From the last point before the time asked for; accounts are added up; a damaged file is an error."""
    books = Books(state_dir, ("broker", "nobody"))
    assert books.equity(2 * HOUR + 5) == [(HOUR * n, D(100 + n)) for n in (2, 3, 4)]
    assert Books(state_dir, ("nobody",)).equity(0) == []

    keep(state_dir, "second", store.TABLES, [store.insert_equity(HOUR * 2, equity="50", cash="1")])
    both = Books(state_dir, ("broker", "second")).equity(0)
    assert both == [(2 * HOUR, D(152)), (3 * HOUR, D(153)), (4 * HOUR, D(154))]

    (state_dir / "data" / "broker.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.Error):
        books.equity(0)


@pytest.mark.req("N1")
def test_of_too_many_points_the_last_ones_count(state_dir: Path) -> None:
    """The summary of the day ends with what there is now, however many points the day has."""
    many = "WITH RECURSIVE n (x) AS (VALUES (0) UNION ALL SELECT x + 1 FROM n LIMIT ?)"
    insert = Write(f"{many} INSERT INTO equity SELECT x, x, '0' FROM n", (MOST_POINTS + 2,))
    keep(state_dir, "broker", store.TABLES, [insert])

    equity = Books(state_dir, ("broker",)).equity(0)
    assert ((2, D(2)), (MOST_POINTS + 1, D(MOST_POINTS + 1)), MOST_POINTS) == (
        equity[0],
        equity[-1],
        len(equity),
    )
