"""The journals in a state directory, looked at without touching them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from protocol.journal_file import QUICK_CHECK_BYTES, open_readonly
from protocol.journal_schema import APPLICATION_ID, SCHEMA_VERSION


def state_files(state_dir: Path) -> list[Path]:
    """Return the root's journal and those of its workers, as far as they are there."""
    root = state_dir / "events.db"
    return [path for path in (root, *sorted((state_dir / "data").glob("*.db"))) if path.exists()]


def trouble_of(path: Path) -> str | None:
    """Return what is wrong with a journal, None when it is good.

    Unlike the process that owns it this makes no copy of a damaged one.
    """
    if not path.is_file():
        return "it is not a file"
    try:
        with closing(open_readonly(path)) as connection:
            return _trouble(connection, "root" if path.name == "events.db" else path.stem, path)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return str(error)


def _trouble(connection: sqlite3.Connection, owner: str, path: Path) -> str | None:
    application, version = _number(connection, "application_id"), _number(connection, "user_version")
    if application != APPLICATION_ID:
        return f"it is a database of another program (application id {application:#x})"
    if not 1 <= version <= SCHEMA_VERSION:  # an older one is brought up to date by its owner
        return f"its schema version is {version}, this program knows 1 to {SCHEMA_VERSION}"
    if path.stat().st_size <= QUICK_CHECK_BYTES:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            return " ".join(str(verdict).split())
    row = connection.execute("SELECT stream FROM journal").fetchone()
    if row is None:
        return "it does not say whose it is"
    return None if row[0] == owner else f"it is the journal of {row[0]!r}, not of {owner!r}"


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
