"""The journal: what a commit writes, what a failed one leaves, what a kill leaves."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.codec import MAX_BODY
from protocol.errors import ReadOnlyStorage, StorageBusy, StorageError, StorageFull, TooLarge
from protocol.journal import Cursor, Durability, Journal, open_readonly, read_records
from protocol.journal_file import WAL_LIMIT_BYTES
from protocol.messages.stream import Former

TABLES = ("CREATE TABLE IF NOT EXISTS trades (id INTEGER PRIMARY KEY, note TEXT)",)


def body(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


def contents(journal: Journal) -> list[tuple[int, int, Any]]:
    return [(r.seq, r.at_ms, msgspec.msgpack.decode(r.body)) for r in journal.read(0, 10_000)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with contextlib.closing(Journal.open(tmp_path / "data" / "x.db", stream="x", tables=TABLES)) as opened:
        yield opened


@pytest.mark.req("B5")
@pytest.mark.parametrize("durability", ["power", "process"])
def test_a_commit_is_there_after_reopening(tmp_path: Path, durability: Durability) -> None:
    """Records, cursors, state, the worker's own rows and the id survive, and numbers go on."""
    path = tmp_path / "deep" / "er" / "x.db"
    first = Journal.open(path, stream="x", durability=durability, tables=TABLES)
    made = first.commit(
        bodies=[body("a"), body("b")],
        at_ms=9,
        cursors={"feed": Cursor("f", 4)},
        state=b"state",
        statements=[("INSERT INTO trades VALUES (?, ?)", (1, "one"))],
    )
    first.close()
    again = Journal.open(path, stream="x", durability=durability, tables=TABLES)

    assert [1, 2] == [record.seq for record in made]
    assert [(1, 9, "a"), (2, 9, "b")] == contents(again)
    assert (first.id, 1, 2) == (again.id, again.first_seq, again.last_seq)
    assert (Cursor("f", 4), None) == (again.cursor("feed"), again.cursor("other"))
    assert again.state() == b"state"
    assert again.connection.execute("SELECT * FROM trades").fetchall() == [(1, "one")]
    assert [3] == [record.seq for record in again.commit(bodies=[body("c")])]
    again.close()
    again.close()


@pytest.mark.parametrize(("durability", "synchronous"), [("power", 2), ("process", 1)])
def test_durability_is_what_was_asked_for(tmp_path: Path, durability: Durability, synchronous: int) -> None:
    """``power`` waits for the disk at each commit, ``process`` does not."""
    journal = Journal.open(tmp_path / "x.db", stream="x", durability=durability)

    assert journal.connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
    assert journal.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()


def test_journals_have_ids_of_their_own(tmp_path: Path) -> None:
    """Two journals of the same stream are told apart."""
    journals = [Journal.open(tmp_path / name, stream="x") for name in ("a.db", "b.db")]

    assert journals[0].id != journals[1].id
    for journal in journals:
        journal.close()


def test_reading_is_in_order_and_bounded(journal: Journal) -> None:
    """``after`` is exclusive, ``limit`` is obeyed, beyond the end is nothing."""
    journal.commit(bodies=[body(n) for n in range(10)])

    assert [4, 5, 6] == [record.seq for record in journal.read(3, 3)]
    assert journal.read(10, 5) == ()


def test_pruned_numbers_are_never_used_again(journal: Journal) -> None:
    """After forgetting everything, also over a restart, numbering goes on."""
    journal.commit(bodies=[body(n) for n in range(5)])

    assert (journal.prune(3), journal.first_seq, journal.last_seq) == (2, 3, 5)
    assert (journal.prune(2), journal.prune(99), journal.first_seq, journal.last_seq) == (0, 3, 6, 5)
    journal.close()
    again = Journal.open(journal.path, stream="x")
    assert (again.first_seq, again.last_seq) == (6, 5)
    assert [6] == [record.seq for record in again.commit(bodies=[body("next")])]
    again.close()


def failing_statements() -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "INSERT INTO trades VALUES (1, 'lost')", ()
    raise RuntimeError("in the middle")


@pytest.mark.req("B5")
@pytest.mark.parametrize(
    ("statements", "error"),
    [
        (failing_statements(), RuntimeError),
        ([("INSERT INTO nowhere VALUES (1)", ())], sqlite3.OperationalError),
        ([("INSERT INTO trades VALUES (1, 'x')", ())] * 2, sqlite3.IntegrityError),
    ],
)
def test_a_failed_commit_leaves_nothing(journal: Journal, statements: Any, error: type[Exception]) -> None:
    """Whatever fails within a transaction, nothing of it stays, and the next one works."""
    with pytest.raises(error):
        journal.commit(
            bodies=[body("lost")], cursors={"feed": Cursor("f", 1)}, state=b"lost", statements=statements
        )

    assert (contents(journal), journal.last_seq) == ([], 0)
    assert (journal.cursor("feed"), journal.state()) == (None, None)
    assert journal.connection.execute("SELECT count(*) FROM trades").fetchone() == (0,)
    assert [1] == [record.seq for record in journal.commit(bodies=[body("kept")])]


def test_a_second_writer_overwrites_nothing(tmp_path: Path) -> None:
    """There is one writer; whoever writes beside it fails instead of taking numbers that are taken."""
    first, second = (Journal.open(tmp_path / "x.db", stream="x") for _ in range(2))
    first.commit(bodies=[body("first")])
    with pytest.raises(sqlite3.IntegrityError):
        second.commit(bodies=[body("second")])

    assert [(1, 0, "first")] == contents(second)
    first.close()
    second.close()


def test_the_log_of_the_database_is_cut_back(journal: Journal) -> None:
    """SQLite does it after a checkpoint, to what it is told here."""
    assert (WAL_LIMIT_BYTES,) == journal.connection.execute("PRAGMA journal_size_limit").fetchone()


def test_a_record_no_frame_could_carry_is_refused(journal: Journal) -> None:
    """What could never be served is never journalled; one byte less, and it is."""
    with pytest.raises(TooLarge):
        journal.commit(bodies=[msgspec.Raw(bytes(MAX_BODY + 1))])

    assert journal.last_seq == 0
    journal.commit(bodies=[msgspec.Raw(bytes(MAX_BODY))])
    assert journal.last_seq == 1


@pytest.mark.req("B5")
def test_a_full_database_is_told_and_the_journal_goes_on(journal: Journal) -> None:
    """No room: a typed, retriable error, nothing written; with room again the same commit works."""
    (pages,) = journal.connection.execute("PRAGMA page_count").fetchone()
    journal.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = [body(b"x" * 100_000)]
    with pytest.raises(StorageFull, match=r"x\.db: no room") as caught:
        journal.commit(bodies=large, state=b"lost")

    assert caught.value.retriable
    assert (contents(journal), journal.state(), journal.last_seq) == ([], None, 0)
    journal.connection.execute("PRAGMA max_page_count = 100000")
    assert [1] == [record.seq for record in journal.commit(bodies=large)]


LIMITED = """
import resource, sys
from pathlib import Path
import msgspec
from protocol.errors import StorageFull
from protocol.journal import Journal

journal = Journal.open(Path(sys.argv[1]), stream="x")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
large = [msgspec.Raw(msgspec.msgpack.encode(b"x" * 50_000))]
try:
    while True:
        journal.commit(bodies=large, state=b"%d" % (journal.last_seq + 1))
except StorageFull:
    full_at = journal.last_seq
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
journal.commit(bodies=large, state=b"%d" % (full_at + 1))
print(full_at, journal.last_seq, journal.state().decode())
"""


@pytest.mark.req("B5")
def test_a_file_that_may_not_grow_is_told_and_the_journal_goes_on(tmp_path: Path) -> None:
    """The kernel refuses to let the file grow (a quota, a full disk): nothing is lost, then it goes on."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "x.db")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    full_at, last_seq, state = map(int, done.stdout.split())

    assert full_at > 0
    assert last_seq == state == full_at + 1
    journal = Journal.open(tmp_path / "x.db", stream="x")
    assert list(range(1, last_seq + 1)) == [record.seq for record in journal.read(0, 1000)]
    journal.close()


@pytest.mark.req("B5")
def test_a_database_that_turns_read_only_is_told(journal: Journal) -> None:
    """Writing is refused with a typed error; reading works; with the right back, so does writing."""
    journal.connection.execute("PRAGMA query_only = 1")
    with pytest.raises(ReadOnlyStorage, match="not writable"):
        journal.commit(bodies=[body("lost")])

    assert contents(journal) == []
    journal.connection.execute("PRAGMA query_only = 0")
    assert [1] == [record.seq for record in journal.commit(bodies=[body("kept")])]


@pytest.mark.req("B5")
@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_directory_is_told_at_opening(ordinary_user: Path, exists: bool) -> None:
    """A directory where nothing can be written: said at the start, with the path, nothing made."""
    path = ordinary_user / "x.db"
    if exists:
        Journal.open(path, stream="x").close()
        path.chmod(0o400)
    before = sorted(entry.name for entry in ordinary_user.iterdir())
    ordinary_user.chmod(0o500)
    with pytest.raises(StorageError, match=str(path)) as caught:
        Journal.open(path, stream="x")

    assert isinstance(caught.value, ReadOnlyStorage)
    assert before == sorted(entry.name for entry in ordinary_user.iterdir())


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    """A parent that is a file: a typed error with the path."""
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(StorageError, match="not writable"):
        Journal.open(tmp_path / "data" / "x.db", stream="x")


def test_a_second_writer_is_told(journal: Journal) -> None:
    """While another process holds the write lock, nothing is written, and it can be tried again."""
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.connection.execute("PRAGMA busy_timeout = 20")
    with pytest.raises(StorageBusy):
        journal.commit(bodies=[body("x")])
    other.close()

    assert [1] == [record.seq for record in journal.commit(bodies=[body("x")])]


def test_readers_see_a_running_and_a_closed_journal(journal: Journal) -> None:
    """Others read what is committed while the writer runs, and when nothing runs; they cannot write."""
    journal.commit(bodies=[body("a")])
    reader = open_readonly(journal.path)
    journal.commit(bodies=[body("b")])

    assert [1, 2] == [record.seq for record in read_records(reader, after=0, limit=10)]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM records")
    reader.close()
    journal.close()
    later = open_readonly(journal.path)
    assert [2] == [record.seq for record in read_records(later, after=1, limit=10)]
    later.close()


def test_readers_need_no_right_to_write(ordinary_user: Path) -> None:
    """A journal in a directory that may only be read can be read."""
    path = ordinary_user / "x # 1?.db"
    journal = Journal.open(path, stream="x")
    journal.commit(bodies=[body("a")])
    journal.close()
    path.chmod(0o400)
    ordinary_user.chmod(0o500)
    reader = open_readonly(path)

    assert [1] == [record.seq for record in read_records(reader, after=0, limit=10)]
    reader.close()


def test_reading_nothing_makes_nothing(tmp_path: Path) -> None:
    """Looking for a journal that is not there leaves no file."""
    with pytest.raises(sqlite3.OperationalError):
        open_readonly(tmp_path / "none.db")

    assert list(tmp_path.iterdir()) == []


COMMITTING = """
import sys
from pathlib import Path
import msgspec
from protocol.journal import Cursor, Journal

journal = Journal.open(Path(sys.argv[1]), stream="x", durability="process")
while True:
    n = journal.last_seq + 3
    bodies = [msgspec.Raw(msgspec.msgpack.encode(n))] * 3
    journal.commit(bodies=bodies, cursors={"feed": Cursor("f", n)}, state=b"%d" % n)
    print(n, flush=True)
"""


@pytest.mark.req("B5")
def test_a_kill_at_any_instant_leaves_whole_commits(tmp_path: Path) -> None:
    """SIGKILL in the middle of committing, again and again: all that was announced is there, whole."""
    path = tmp_path / "x.db"
    announced = 0
    for kill_after in (1, 7, 40):
        with subprocess.Popen(
            [sys.executable, "-c", COMMITTING, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(kill_after):
                announced = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGKILL)
        journal = Journal.open(path, stream="x")
        cursor = journal.cursor("feed")

        assert journal.last_seq >= announced
        assert cursor == Cursor("f", journal.last_seq)
        assert journal.state() == b"%d" % journal.last_seq
        assert [r.seq for r in journal.read(0, 10**6)] == list(range(1, journal.last_seq + 1))
        journal.close()


@pytest.mark.req("B5")
def test_a_boot_that_may_have_cost_records_gives_another_id(tmp_path: Path) -> None:
    """Only without a sync for each commit, only over a boot; what is left under the old id is told."""
    path = tmp_path / "x.db"

    def opened(boot: str, durability: Durability = "process") -> Journal:
        return Journal.open(path, stream="x", boot=boot, durability=durability)

    with closing(opened("one")) as journal:
        first = journal.id
        journal.commit(bodies=[body("a")] * 3)
    with closing(opened("one")) as journal:
        assert (first, ()) == (journal.id, journal.former)
    with closing(opened("two", "power")) as journal:
        second = journal.id
        assert second != first
        assert (Former(first, 3),) == journal.former
        journal.commit(bodies=[body("b")])
    with closing(opened("three")) as journal:  # each commit was synced: nothing can be lost
        assert (second, 4) == (journal.id, journal.last_seq)
    with closing(opened("four")) as journal:
        assert (Former(first, 3), Former(second, 4)) == journal.former


@pytest.mark.req("B5")
def test_what_was_left_open_is_as_strong_as_power_until_it_is_settled(tmp_path: Path) -> None:
    """Once; what was given at the opening stands; and readers learn of a boot whatever was settled."""

    def synchronous(journal: Journal) -> int:
        return int(journal.connection.execute("PRAGMA synchronous").fetchone()[0])

    path = tmp_path / "x.db"
    with closing(Journal.open(path, stream="x", durability=None, boot="one")) as journal:
        first = journal.id
        assert synchronous(journal) == 2
        journal.settle("process")
        journal.settle("power")
        assert synchronous(journal) == 1
        journal.commit(bodies=[body("a")])
    with closing(Journal.open(path, stream="x", durability=None, boot="one")) as journal:
        assert (journal.id, synchronous(journal)) == (first, 2)
        journal.settle("power")
        assert synchronous(journal) == 2
    with closing(Journal.open(path, stream="x", durability=None, boot="two")) as journal:
        assert (Former(first, 1),) == journal.former
    with closing(Journal.open(tmp_path / "y.db", stream="x", durability="power")) as journal:
        journal.settle("process")
        assert synchronous(journal) == 2
