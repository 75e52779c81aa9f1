"""The tables of a journal, version by version, and the way from each to the next.

Version 2 knows the readers of the stream, so that what all are done with can be forgotten; and under which
ids the journal went before a reboot may have cost it its last records.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

APPLICATION_ID: Final = 0x53544A31
"""Marks the file as a journal of this program (``file`` and SQLite show it): the letters STJ1."""

SCHEMA_VERSION: Final = 2

SCHEMA: Final = (
    """CREATE TABLE journal (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL, stream TEXT NOT NULL, pruned INTEGER NOT NULL DEFAULT 0, boot TEXT)""",
    "CREATE TABLE records (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body BLOB NOT NULL)",
    """CREATE TABLE cursors (
        source TEXT PRIMARY KEY, journal TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE TABLE core_state (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL)",
    """CREATE TABLE readers (
        name TEXT PRIMARY KEY, seq INTEGER NOT NULL, seen_ms INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE TABLE former (number INTEGER PRIMARY KEY, id TEXT NOT NULL, last_seq INTEGER NOT NULL)",
)

STEPS: Final[Mapping[int, tuple[str, ...]]] = {
    1: (
        "ALTER TABLE journal ADD COLUMN boot TEXT",
        SCHEMA[4],
        SCHEMA[5],
    ),
}
"""What leads from a version to the next one."""

_PROBES_1: Final = (
    "SELECT id, stream, pruned FROM journal",
    "SELECT seq, at_ms, body FROM records LIMIT 1",
    "SELECT source, journal, seq FROM cursors LIMIT 1",
    "SELECT one, body FROM core_state LIMIT 1",
)
PROBES: Final[Mapping[int, tuple[str, ...]]] = {
    1: _PROBES_1,
    2: (
        *_PROBES_1,
        "SELECT name, seq, seen_ms FROM readers LIMIT 1",
        "SELECT number, id, last_seq FROM former LIMIT 1",
        "SELECT boot FROM journal",
    ),
}
"""What fails when a part of the schema is damaged, by version."""


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a journal of an older version up to date: wholly or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, SCHEMA_VERSION):
            for statement in STEPS[step]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
