"""The file beneath the journal: foreign, damaged and newer files are told, and left as they were."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.errors import CorruptJournal, ForeignFile, JournalError, NewerSchema
from protocol.journal import Journal
from protocol.journal_file import SCHEMA_VERSION
from tests.protocol.test_journal import body

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
