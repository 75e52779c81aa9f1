"""The file beneath the journal: foreign, damaged and newer files are told, and left as they were."""

from __future__ import annotations

import os
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import journal_file
from protocol.errors import CorruptJournal, ForeignFile, JournalError, NewerSchema, StorageError
from protocol.journal import Cursor, Journal, Reader, open_readonly, read_records
from protocol.journal_schema import SCHEMA_VERSION, STEPS
from tests.protocol.test_journal import body

PAGE = 4096
pytestmark = pytest.mark.req("B5")


def written(path: Path, records: int = 200) -> Path:
    """A closed journal of some pages."""
    journal = Journal.open(path, stream="x")
    journal.commit(bodies=[body("r" * 50)] * records, state=b"s")
    journal.close()
    return path


def refused(path: Path, stream: str = "x") -> JournalError:
    """The error of opening; the file must be untouched by it."""
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        Journal.open(path, stream=stream)

    assert path.read_bytes() == before
    assert str(path) in str(caught.value)
    assert not caught.value.retriable
    return caught.value


def test_the_database_of_another_program_is_foreign(tmp_path: Path) -> None:
    """An SQLite file that is not ours is named and left alone; no copy is made."""
    path = tmp_path / "x.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (a)")
    other.close()

    assert isinstance(refused(path), ForeignFile)
    assert list(tmp_path.iterdir()) == [path]


def test_the_journal_of_another_stream_is_foreign(tmp_path: Path) -> None:
    """A worker that was given another worker's file says whose it is."""
    error = refused(written(tmp_path / "x.db"), stream="y")

    assert isinstance(error, ForeignFile)
    assert "journal of 'x', not of 'y'" in str(error)


def test_a_newer_schema_is_told(tmp_path: Path) -> None:
    """A file of a later release is left to that release."""
    path = written(tmp_path / "x.db")
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    error = refused(path)

    assert isinstance(error, NewerSchema)
    assert (SCHEMA_VERSION + 1, SCHEMA_VERSION) == (error.found, error.supported)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(lambda whole: b"", id="empty"),
        pytest.param(lambda whole: b"not a database at all\n" * 100, id="text"),
        pytest.param(lambda whole: bytes(4096) + whole[4096:], id="header"),
        pytest.param(lambda whole: whole[:5000], id="truncated"),
        pytest.param(lambda whole: whole[:4096] + bytes(4096) + whole[8192:], id="page"),
    ],
)
def test_damage_is_told_and_a_copy_kept(tmp_path: Path, damaged: object) -> None:
    """A damaged file stays; one copy of it is kept, however often it is met; the sentence names both."""
    assert callable(damaged)
    path = written(tmp_path / "x.db")
    path.write_bytes(damaged(path.read_bytes()))
    errors = [refused(path), refused(path)]

    backups = [error.backup for error in errors if isinstance(error, CorruptJournal)]
    assert len(backups) == 2
    assert len(set(backups)) == 1
    assert backups[0] is not None
    assert backups[0].read_bytes() == path.read_bytes()
    assert str(backups[0]) in str(errors[0])
    assert backups[:1] == list(tmp_path.glob("*.corrupt-*"))


def test_damage_that_is_met_later_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file too large to be checked at each opening: whoever reads the damaged page ends, and says so."""
    monkeypatch.setattr(journal_file, "QUICK_CHECK_BYTES", 0)
    path = written(tmp_path / "x.db", records=2000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // PAGE * PAGE
    content[middle : middle + PAGE] = b"\xff" * PAGE
    path.write_bytes(content)
    journal = Journal.open(path, stream="x")
    try:
        with pytest.raises(CorruptJournal, match=r"x\.db"):
            journal.read(0, 2000)
    finally:
        journal.close()


def test_a_new_file_is_on_disk_under_its_name_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory is synced after the rename: else a power loss takes the file and what was told of it."""
    synced: list[tuple[str, bool]] = []
    path = tmp_path / "x.db"

    def noted(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), path.exists()))

    monkeypatch.setattr(os, "fsync", noted)
    Journal.open(path, stream="x").close()

    assert (str(tmp_path), True) in synced


def test_an_id_that_is_no_text_is_damage(tmp_path: Path) -> None:
    """One bit of the id turned over: told as damage with a copy kept, not as a bare error of SQLite."""
    path = written(tmp_path / "x.db")
    journal = Journal.open(path, stream="x")
    name = journal.id.encode()
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole.replace(name, b"\x80" + name[1:]))
    error = refused(path)

    assert isinstance(error, CorruptJournal)
    assert error.backup is not None


def test_the_log_of_a_damaged_file_is_kept_too(tmp_path: Path) -> None:
    """What a killed process left in the write-ahead log is part of the copy."""
    path = written(tmp_path / "x.db")
    log = path.with_name("x.db-wal")
    path.write_bytes(b"damage" * 1000)
    log.write_bytes(b"log")
    error = refused(path)

    assert isinstance(error, CorruptJournal)
    assert error.backup is not None
    assert error.backup.with_name(f"{error.backup.name}-wal").read_bytes() == b"log"


def test_a_log_without_its_file_is_told(tmp_path: Path) -> None:
    """The old log of a file that was removed would be played into a new one: it is refused instead."""
    log = tmp_path / "x.db-wal"
    log.write_bytes(b"log")
    with pytest.raises(CorruptJournal, match="the file is gone, but its log"):
        Journal.open(tmp_path / "x.db", stream="x")

    assert log.read_bytes() == b"log"


def test_a_copy_that_cannot_be_kept_is_told(ordinary_user: Path) -> None:
    """Without room for the copy the damage is still the news."""
    path = ordinary_user / "x.db"
    path.write_bytes(b"damage" * 1000)
    ordinary_user.chmod(0o500)
    error = refused(path)

    assert isinstance(error, CorruptJournal)
    assert "no copy was made" in str(error)


def test_a_start_cut_short_leaves_no_trace(tmp_path: Path) -> None:
    """What a kill left while the file was being made is made anew."""
    (tmp_path / "x.db.new").write_bytes(b"half")
    (tmp_path / "x.db.new-journal").write_bytes(b"half")
    Journal.open(tmp_path / "x.db", stream="x").close()

    assert [entry.name for entry in tmp_path.iterdir()] == ["x.db"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_typed(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever bytes are changed, opening works or raises a JournalError; nothing else."""
    path = tmp_path / "x.db"
    if not path.exists():
        written(path, records=20)
        path.with_suffix(".whole").write_bytes(path.read_bytes())
    whole = bytearray(path.with_suffix(".whole").read_bytes())
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=20)):
        whole[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    try:
        Journal.open(path, stream="x").close()
    except JournalError:
        assert path.read_bytes() == whole
    finally:
        for leftover in tmp_path.glob("x.db-*"):
            leftover.unlink()


def test_damage_that_sqlite_quotes_in_bytes_leaves_nothing_open(tmp_path: Path) -> None:
    """Its sentence holds text that is not UTF-8, which is no error of SQLite's: the file stayed open."""
    path = written(tmp_path / "x.db", records=1)
    whole = path.read_bytes()
    named = whole.replace(b"tablerecordsrecords", b"table\xffecordsrecords")
    path.write_bytes(named.replace(b"CREATE TABLE records", b"CREATX TABLE records"))

    with pytest.raises(CorruptJournal, match="not UTF-8"):
        Journal.open(path, stream="x")


VERSION_1 = (
    """CREATE TABLE journal (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL, stream TEXT NOT NULL, pruned INTEGER NOT NULL DEFAULT 0)""",
    "CREATE TABLE records (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body BLOB NOT NULL)",
    """CREATE TABLE cursors (
        source TEXT PRIMARY KEY, journal TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE TABLE core_state (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL)",
    "PRAGMA application_id = 1398032945",
    "PRAGMA user_version = 1",
    "INSERT INTO journal VALUES (1, 'the-id', 'x', 1)",
    "INSERT INTO records VALUES (2, 20, x'a162')",
    "INSERT INTO cursors VALUES ('feed', 'j', 7)",
    "INSERT INTO core_state VALUES (1, x'73')",
    "CREATE TABLE own (a)",
    "INSERT INTO own VALUES (1)",
)
"""A file as the first release wrote it."""


def of_version_1(path: Path) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in VERSION_1:
            connection.execute(statement)
    return path


def test_a_file_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    """Nothing in it changes; a copy as it was is kept beside it; the next opening has nothing to do."""
    path = of_version_1(tmp_path / "x.db")
    with closing(Journal.open(path, stream="x")) as journal:
        assert ("the-id", 2, 2) == (journal.id, journal.first_seq, journal.last_seq)
        assert (Cursor("j", 7), b"s") == (journal.cursor("feed"), journal.state())
        assert [(2, 20)] == [(record.seq, record.at_ms) for record in journal.read(0, 9)]
        assert [(1,)] == journal.connection.execute("SELECT a FROM own").fetchall()
        journal.note_readers({"broker": Reader(2, 5)})
    Journal.open(path, stream="x").close()

    assert [tmp_path / "x.db.schema-1"] == list(tmp_path.glob("*.schema-*"))
    with closing(sqlite3.connect(tmp_path / "x.db.schema-1")) as copy:
        assert (1,) == copy.execute("PRAGMA user_version").fetchone()
        assert [(2, 20, b"\xa1b")] == copy.execute("SELECT * FROM records").fetchall()


def test_a_change_of_schema_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut short after its first statement, the file is of the old schema, and the next start does it all."""
    path = of_version_1(tmp_path / "x.db")
    broken = {1: (STEPS[1][0], "SELECT no_such_function()")}
    with monkeypatch.context() as patch, pytest.raises(CorruptJournal, match="cannot be brought"):
        patch.setattr("protocol.journal_schema.STEPS", broken)
        Journal.open(path, stream="x")

    with closing(Journal.open(path, stream="x")) as journal:
        assert {} == journal.readers()
        assert 2 == journal.last_seq


def test_an_old_file_without_room_for_a_copy_is_left_as_it_is(ordinary_user: Path) -> None:
    """No copy, no change: it can be tried again."""
    path = of_version_1(ordinary_user / "x.db")
    before = path.read_bytes()
    ordinary_user.chmod(0o500)
    with pytest.raises(StorageError):
        Journal.open(path, stream="x")

    assert before == path.read_bytes()


def test_readers_need_no_room_on_the_disk(tmp_path: Path) -> None:
    """Whoever looks for the reason of a full disk got "disk I/O error"."""
    path = written(tmp_path / "x.db", records=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        reader = open_readonly(path)
        found = [record.seq for record in read_records(reader, after=0, limit=10)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    reader.close()

    assert found == [1]
