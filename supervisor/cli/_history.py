"""Supervision events as the commands show them, read from ``events.db`` with or without a root."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from supervisor.cli._failure import Failure

if TYPE_CHECKING:
    from protocol.messages.stream import Record

_BATCH: Final = 500

Event = dict[str, Any]
"""The fixed keys ``seq``, ``at``, ``event``, ``child``, ``incarnation``, ``pid``, and the facts."""


def events_file(state_dir: Path) -> Path:
    """Return the file of events in a state directory; raises Failure when there is none yet."""
    path = state_dir / "events.db"
    if not path.exists():
        raise Failure(f"there are no events yet: {path} does not exist")
    return path


def open_events(path: Path) -> sqlite3.Connection:
    """Open the file of events for reading. Raises Failure."""
    from protocol.journal import open_readonly

    try:
        return open_readonly(path)
    except sqlite3.Error as error:
        raise Failure(f"cannot read {path}: {_reason(path, error)}") from error


def _reason(path: Path, error: sqlite3.Error) -> str:
    return "it is a directory" if path.is_dir() else str(error)


def read_events(connection: sqlite3.Connection, after: int) -> Iterator[Event]:
    """Yield the events with a seq greater than ``after``, in order."""
    from protocol.journal import read_records

    while records := read_records(connection, after=after, limit=_BATCH):
        for record in records:
            after = record.seq
            yield _event(record)


def last_events(path: Path, most: int) -> list[Event]:
    """Return the newest events, at most so many, the oldest first. Raises Failure when it cannot be read."""
    with closing(open_events(path)) as connection:
        try:
            (newest,) = connection.execute("SELECT max(seq) FROM records").fetchone()
            return list(read_events(connection, max(0, (newest or 0) - most)))
        except sqlite3.Error as error:
            raise Failure(f"cannot read {path}: {error}") from error


def remembered_events(path: Path) -> list[Event]:
    """Return what the root has kept of events that it has forgotten: the last of each kind about each child.

    The oldest first; those that are still among the records too. Raises Failure when it cannot be read.
    """
    from msgspec import Raw

    from protocol.messages.stream import Record

    with closing(open_events(path)) as connection:
        try:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'remembered'").fetchone():
                return []  # the file of an earlier release that no root has opened since
            rows = connection.execute("SELECT DISTINCT seq, at_ms, body FROM remembered ORDER BY seq")
            return [_event(Record(seq, at_ms, Raw(body))) for seq, at_ms, body in rows]
        except sqlite3.Error as error:
            raise Failure(f"cannot read {path}: {error}") from error


def _event(record: Record) -> Event:
    from protocol.codec import EVENTS

    event = EVENTS.decode(record.body)
    fixed = {
        "seq": record.seq,
        "at": _utc(record.at_ms),
        "event": event.event,
        "child": event.child,
        "incarnation": event.incarnation,
        "pid": event.pid,
    }
    return fixed | {key: value for key, value in event.facts.items() if key not in fixed}


def _utc(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
