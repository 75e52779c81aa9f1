"""The file beneath a journal: made whole or not at all, checked before it is used, errors translated.

A new file is built under another name and renamed into place, so that whatever stands at the path is
complete: an empty, headless or half-written file is damage, never a beginning. An existing file is
judged through a read-only connection, so that a file which is refused stays as it was. A file of an older
schema is copied aside, then brought up to date in one transaction (``protocol/journal_schema.py``).
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from protocol.errors import (
    CorruptJournal,
    ForeignFile,
    JournalError,
    NewerSchema,
    ReadOnlyStorage,
    StorageBusy,
    StorageError,
    StorageFull,
)
from protocol.journal_schema import APPLICATION_ID, PROBES, SCHEMA, SCHEMA_VERSION, migrate

BUSY_TIMEOUT_S: Final = 5.0

QUICK_CHECK_BYTES: Final = 16 * 1024 * 1024
"""Files up to this size are checked page by page at each opening (about 1.5 ms a MiB); larger ones are not,
because a restart must stay quick. Damage in them shows when the page is read."""

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""The write-ahead log is cut back to this size after a checkpoint."""

CORRUPT_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
READ_ONLY_CODES: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})
BUSY_CODES: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
FULL_CODES: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite says about the journal at ``path`` into a JournalError.

    A defect of the caller (bad SQL, a violated constraint) is not translated.
    """
    try:
        yield
    except sqlite3.Error as error:
        typed = _typed(path, error)
        if typed is None:
            raise
        raise typed from error


def _typed(path: Path, error: sqlite3.Error) -> JournalError | None:
    # Errors of the Python module itself (a closed connection) carry no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
    if code in CORRUPT_CODES:
        return CorruptJournal(path, str(error))
    if code in READ_ONLY_CODES or (code in FULL_CODES and _turned_read_only(path)):
        return ReadOnlyStorage(path, str(error))
    if code in FULL_CODES:
        return StorageFull(path, str(error))
    if code in BUSY_CODES:
        return StorageBusy(path, str(error))
    return None


def _turned_read_only(path: Path) -> bool:
    # Not statvfs: a file system that went read-only because of errors does not say so there.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def refused(path: Path, error: OSError) -> StorageError:
    """Return what the system says of a file at ``path`` as a StorageError."""
    detail = error.strerror or str(error)
    return StorageFull(path, detail) if error.errno in NO_ROOM else ReadOnlyStorage(path, detail)


def open_file(path: Path, *, stream: str) -> sqlite3.Connection:
    """Open the journal of ``stream`` for writing, making it and its directories when they are missing.

    Raises ForeignFile, CorruptJournal, NewerSchema (the file is left as it was) or a StorageError.
    """
    try:
        with translated(path):
            if path.exists():
                _bring_up_to_date(path, _judge(path, stream))
            else:
                _make(path, stream)
            return _connect(path)
    except OSError as error:
        raise refused(path, error) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        # Said now rather than at the first commit: may this process write here?
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except BaseException:
        connection.close()
        raise
    return connection


def _make(path: Path, stream: str) -> None:
    log = _log_of(path)
    if _has_contents(log):
        # SQLite would play the old log into the new file.
        raise CorruptJournal(path, f"the file is gone, but its log {log.name} is there")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    for leftover in (draft, draft.with_name(f"{draft.name}-journal")):
        leftover.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO journal (one, id, stream) VALUES (1, ?, ?)", (secrets.token_hex(8), stream)
        )
        connection.execute("COMMIT")
    draft.rename(path)
    _sync_directory(path.parent)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _has_contents(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _judge(path: Path, stream: str) -> int:
    """Return the schema version of a file that is as it must be."""
    if path.stat().st_size == 0:
        raise _damaged(path, "the file is empty")
    try:
        with closing(open_readonly(path)) as connection:
            version = _judge_identity(connection, path)
            _judge_contents(connection, path, stream, version)
    except UnicodeDecodeError as error:  # damaged text that SQLite quotes in its own words
        raise _damaged(path, "it holds text that is not UTF-8") from error
    except sqlite3.DatabaseError as error:
        if isinstance(_typed(path, error), StorageError):
            raise
        raise _damaged(path, str(error)) from error
    return version


def _bring_up_to_date(path: Path, version: int) -> None:
    if version == SCHEMA_VERSION:
        return
    backup = path.with_name(f"{path.name}.schema-{version}")
    draft = backup.with_name(f"{backup.name}.new")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        with closing(sqlite3.connect(draft)) as copy:
            connection.backup(copy)
        draft.rename(backup)
        _sync_directory(path.parent)
        connection.execute("PRAGMA synchronous = FULL")
        try:
            migrate(connection, version)
        except sqlite3.OperationalError as error:
            if _typed(path, error) is not None:
                raise
            raise _damaged(path, f"it cannot be brought from schema {version} up to date: {error}") from error


def _judge_identity(connection: sqlite3.Connection, path: Path) -> int:
    application = _number(connection, "PRAGMA application_id")
    if application != APPLICATION_ID:
        raise ForeignFile(path, f"it is a database of another program (application id {application:#x})")
    version = _number(connection, "PRAGMA user_version")
    if version > SCHEMA_VERSION:
        raise NewerSchema(path, version, SCHEMA_VERSION)
    if version < 1:
        raise _damaged(path, f"its schema version is {version}")
    return version


def _judge_contents(connection: sqlite3.Connection, path: Path, stream: str, version: int) -> None:
    if path.stat().st_size <= QUICK_CHECK_BYTES:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _damaged(path, " ".join(str(verdict).split()))
    for probe in PROBES[version]:
        connection.execute(probe).fetchone()
    owner = connection.execute(
        "SELECT stream FROM journal WHERE typeof(id) = 'text' AND typeof(pruned) = 'integer'"
    ).fetchone()
    if owner is None:
        raise _damaged(path, "it does not say whose it is")
    if owner[0] != stream:
        raise ForeignFile(path, f"it is the journal of {owner[0]!r}, not of {stream!r}")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(pragma).fetchone()[0])


def _damaged(path: Path, detail: str) -> CorruptJournal:
    return CorruptJournal(path, detail, _keep_copy(path))


def _keep_copy(path: Path) -> Path | None:
    """Copy a damaged file and its log aside; the same damage is kept once, however often it is met."""
    try:
        with path.open("rb") as file:
            fingerprint = hashlib.file_digest(file, "sha256").hexdigest()[:12]
        backup = path.with_name(f"{path.name}.corrupt-{fingerprint}")
        if not backup.exists():
            _copy_whole(path, backup)
            if _has_contents(log := _log_of(path)):
                _copy_whole(log, _log_of(backup))
    except OSError:
        return None  # told to the user by CorruptJournal: the damage is the news, not the missing copy
    return backup


def _copy_whole(source: Path, target: Path) -> None:
    draft = target.with_name(f"{target.name}.new")
    shutil.copy2(source, draft)
    draft.rename(target)


def boot_id() -> str:
    """Name the machine's present boot; the same empty name where it does not say."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def size_of(connection: sqlite3.Connection) -> int:
    """How many bytes of the file are in use."""
    pages = _number(connection, "PRAGMA page_count") - _number(connection, "PRAGMA freelist_count")
    return pages * _number(connection, "PRAGMA page_size")


def log_size(path: Path) -> int:
    """How many bytes the write-ahead log of the journal at ``path`` takes."""
    log = _log_of(path)
    return log.stat().st_size if log.exists() else 0


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open a journal for reading while its process runs, or with nothing running.

    Its tables are ``records(seq, at_ms, body)``, ``cursors(source, journal, seq)``, ``core_state(body)``
    and the worker's own. Raises sqlite3.OperationalError when there is no such file.
    """
    # A directory where nothing can be created has no room for SQLite's shared memory; without a log
    # there is nothing in it either.
    writable = os.access(path.parent, os.W_OK, effective_ids=True)
    if not writable and not _log_of(path).exists():
        return _reader(path, "&immutable=1")
    connection = _reader(path)
    try:
        if _has_contents(_log_of(path)) or not _lacks_room(connection):
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return _reader(path, "&immutable=1")


def _reader(path: Path, besides: str = "") -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=ro{besides}"
    return sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def _lacks_room(connection: sqlite3.Connection) -> bool:
    """Whether the disk is too full even for the shared memory; what else is wrong shows at the first use."""
    try:
        connection.execute("SELECT 1 FROM sqlite_schema")
    except sqlite3.Error as error:
        return error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
    return False
