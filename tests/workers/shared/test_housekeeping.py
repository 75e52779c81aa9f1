"""Databases that do not grow for ever: the streams, the workers' own tables, and the log of the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from protocol.codec import MARKET
from protocol.errors import HistoryLost
from protocol.journal import Journal, open_readonly
from protocol.journal_file import log_size
from protocol.messages.market import Funding, Instrument
from protocol.messages.stream import MarketRole
from protocol.retention import Policy
from tests.workers.shared.puppets import TABLE, Recorder, recorder, seen
from tests.workers.shared.world import World, world
from workers.shared.core import Step, Write
from workers.shared.housekeeping import Keep
from workers.shared.worker import Context, Worker

ROLE = MarketRole(symbol="BTC", timeframe="1m", instrument=Instrument(), lockstep=False)
RECORD = Funding(symbol="BTC", at_ms=1, rate=Decimal("0.0001"))
POLICY = Policy(keep_s=120.0, max_bytes=1 << 30, patience_s=600.0)


class Talker(Recorder):
    """Says ``left`` records, ten in each step, and notes each step in a table of its own."""

    left = 0

    def step(self) -> Step | None:
        if self.left <= 0:
            return None
        self.left -= 10
        return Step(outputs=(RECORD,) * 10, writes=(Write("INSERT INTO seen (source) VALUES ('x')"),))


def talking(policy: Policy = POLICY, rows: int = 50) -> Callable[[Context], Worker]:
    return lambda context: Worker(
        core=Talker(),
        journal=context.open_journal(tables=(TABLE,)),
        role=ROLE,
        encode=MARKET.encode,
        policy=policy,
        keeps=(Keep("seen", "id", rows),),
    )


def say(made: World, count: int) -> Worker:
    process = made.children["feed"].process
    assert process is not None
    assert isinstance(process.worker.core, Talker)
    process.worker.core.left = count
    process.due = made.network.now
    made.run(1.0)
    return process.worker


def kept(worker: Worker) -> int:
    return worker.journal.last_seq - worker.journal.first_seq + 1


@pytest.mark.req("X1")
def test_what_all_are_done_with_is_forgotten_in_bites(tmp_path: Path) -> None:
    """Thousands of records go, some hundred at a time; rows of the worker's own table down to its number."""
    with world(tmp_path) as made:
        made.add("feed", talking())
        made.add("broker", recorder(Recorder(bound=3000, batch=500)))
        made.start("broker")
        made.start("feed")
        feed = say(made, 3000)
        made.run(60.0)
        assert 3000 == kept(feed)
        bites: list[int] = []
        while kept(feed):
            bites.append(kept(feed))
            made.run(0.04)
            assert made.network.now < 600.0

        assert max(before - after for before, after in zip(bites, [*bites[1:], 0], strict=True)) <= 500
        assert [(50,)] == feed.journal.connection.execute("SELECT count(*) FROM seen").fetchall()
        assert list(range(1, 3001)) == seen(worker_of(made, "broker"))


def worker_of(made: World, name: str) -> Worker:
    process = made.children[name].process
    assert process is not None
    return process.worker


@pytest.mark.req("X1", "T1")
def test_a_reader_that_is_down_holds_back_what_it_has_yet_to_read(tmp_path: Path) -> None:
    """Down for long, over restarts of the producer, it still finds everything."""
    with world(tmp_path) as made:
        made.add("feed", talking())
        made.add("broker", recorder(Recorder(bound=3000, batch=500)))
        made.start("broker")
        made.start("feed")
        say(made, 100)
        made.run(200.0)  # it has said how far it is, and that is on disk
        made.kill("broker")
        say(made, 1000)
        made.kill("feed")
        made.start("feed")
        made.run(400.0)
        assert 1000 <= kept(worker_of(made, "feed"))

        made.start("broker")
        made.run(2.0)
        assert list(range(1, 1101)) == seen(worker_of(made, "broker"))
        made.run(400.0)
        assert 0 == kept(worker_of(made, "feed"))


@pytest.mark.req("S12", "X1")
def test_a_worker_added_after_records_were_forgotten_begins_with_those_kept(tmp_path: Path) -> None:
    """It has lost nothing: a strategy joins a tree that has run for long, and keeps its place."""
    with world(tmp_path) as made:
        made.add("feed", talking())
        made.add("broker", recorder(Recorder(bound=3000, batch=500)))
        made.start("broker")
        made.start("feed")
        feed = say(made, 1000)
        made.run(400.0)
        assert 0 == kept(feed)

        made.add("late", recorder(Recorder(bound=3000, batch=500)))
        made.start("late")
        say(made, 100)
        assert list(range(1001, 1101)) == seen(worker_of(made, "late"))
        made.kill("late")
        say(made, 100)
        made.start("late")
        made.run(2.0)
        assert list(range(1001, 1201)) == seen(worker_of(made, "late"))


@pytest.mark.req("X1")
def test_a_journal_beyond_its_bound_is_told_and_the_absent_hold_nothing_back(tmp_path: Path) -> None:
    """Health says so; a reader that comes back after all is told what it lost, nothing is skipped."""
    bound = replace(POLICY, max_bytes=200_000)
    with world(tmp_path) as made:
        made.add("feed", talking(bound))
        made.add("broker", recorder(Recorder(bound=3000, batch=500)))
        made.start("broker")
        made.start("feed")
        say(made, 100)
        made.run(200.0)
        made.kill("broker")
        feed = say(made, 5000)
        made.run(300.0)
        reasons = made.root.beats("feed")[-1].reasons
        assert any("feed.db is larger than" in reason for reason in reasons), reasons
        assert kept(feed) >= 5000

        made.run(600.0)
        assert feed.journal.size() <= bound.max_bytes
        assert kept(feed) < 5000
        assert () == made.root.beats("feed")[-1].reasons
        made.start("broker")
        with pytest.raises(HistoryLost):
            made.run(10.0)


def test_a_feed_that_is_never_idle_is_tidied_all_the_same(tmp_path: Path) -> None:
    """Without a pause of its own it is interrupted when the work is overdue."""
    with world(tmp_path) as made:
        made.add("feed", talking(rows=5))
        made.start("feed")
        feed = say(made, 1000)
        made.run(70.0)
        assert [(5,)] == feed.journal.connection.execute("SELECT count(*) FROM seen").fetchall()


@pytest.mark.req("X1")
def test_the_log_of_the_database_is_bounded(tmp_path: Path) -> None:
    """However much is committed the log starts over; a reader holds it up only as long as it stays."""
    with closing(Journal.open(tmp_path / "x.db", stream="x")) as journal:
        body = MARKET.encode(RECORD)

        def commits(count: int) -> int:
            for _ in range(count):
                journal.commit(bodies=[body] * 50, state=b"s" * 1000)
            return log_size(journal.path)

        quiet = max(commits(200) for _ in range(10))
        assert quiet < 6 * 1024 * 1024
        with closing(open_readonly(journal.path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM records").fetchone()
            held = commits(2000)
        assert held > quiet
        commits(10)
        assert commits(2000) < held + quiet


def test_a_read_only_moment_is_no_reason_to_stop(tmp_path: Path) -> None:
    """Housekeeping that cannot write now tries again later."""
    with world(tmp_path) as made:
        made.add("feed", talking(rows=5))
        made.start("feed")
        feed = say(made, 100)
        blocker = sqlite3.connect(feed.journal.path, isolation_level=None)
        feed.journal.connection.execute("PRAGMA busy_timeout = 0")
        blocker.execute("BEGIN IMMEDIATE")
        made.run(70.0)
        blocker.execute("ROLLBACK")
        blocker.close()
        made.run(70.0)
        assert [(5,)] == feed.journal.connection.execute("SELECT count(*) FROM seen").fetchall()
