"""The outbox: messages on disk from the moment they are made until every channel has taken them.

A message is put in by the step that consumed its record, in one transaction with the cursor: once, whatever
is killed. Each channel has its own line through it, critical messages first, the oldest first among equals.
A letter is marked *tried* before it goes out and *sent* after the channel said so: one that was tried in a
life that ended in between goes out again, marked, rather than never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from loguru import logger
from msgspec import Struct

from protocol.errors import StorageError
from protocol.journal import Journal
from workers.notifier.message import Message
from workers.shared.core import Write

KEPT_SENT: Final = 1000
"""Messages already sent that are kept for reference."""

ANSWER: Final = "answer"
"""The kind of what answers a command: somebody waits for it."""

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS messages (
        number INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, kind TEXT NOT NULL,
        priority TEXT NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL, silent INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS deliveries (
        channel TEXT NOT NULL, number INTEGER NOT NULL, urgent INTEGER NOT NULL,
        tried INTEGER NOT NULL DEFAULT 0, sent_ms INTEGER, PRIMARY KEY (channel, number)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS lines ON deliveries (channel, urgent DESC, number) WHERE sent_ms IS NULL",
    "CREATE INDEX IF NOT EXISTS unsent ON deliveries (number) WHERE sent_ms IS NULL",
    "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)

_INSERT: Final = (
    "INSERT INTO messages (run, kind, priority, at_ms, text, silent)"
    " VALUES (coalesce((SELECT value FROM notes WHERE name = 'run'), 0), ?, ?, ?, ?, ?)"
)
_ADDRESS: Final = "INSERT INTO deliveries (channel, number, urgent) SELECT ?, max(number), ? FROM messages"
_FORGET: Final = (
    "DELETE FROM messages WHERE number <= (SELECT max(number) FROM messages) - ?"
    " AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.number = messages.number AND d.sent_ms IS NULL)"
)
_FORGET_LETTERS: Final = (
    "DELETE FROM deliveries WHERE sent_ms IS NOT NULL AND number <= (SELECT max(number) FROM messages) - ?"
)
_NEXT: Final = (
    "SELECT d.number, m.at_ms, m.text, m.silent, d.tried FROM deliveries AS d JOIN messages AS m"
    " USING (number) WHERE d.channel = ? AND d.sent_ms IS NULL ORDER BY d.urgent DESC, d.number LIMIT 1"
)
_SHELVE: Final = (
    "UPDATE deliveries SET sent_ms = ? WHERE channel = ? AND sent_ms IS NULL AND number IN"
    " (SELECT number FROM messages WHERE run = (SELECT value FROM notes WHERE name = 'run'))"
)
_COUNT: Final = (
    "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
)
_NOTE: Final = "INSERT OR REPLACE INTO notes VALUES (?, ?)"


class Letter(Struct, frozen=True, kw_only=True):
    """A message on its way through one channel. ``tried``: it may have arrived already."""

    number: int
    at_ms: int
    text: str
    silent: bool = False
    tried: bool = False


def insert(message: Message, channels: Sequence[str]) -> tuple[Write, ...]:
    """Put a message in, for these channels; for none of them it only stays for reference."""
    urgent = int(message.priority == "critical" or message.kind == ANSWER)
    values = (message.kind, message.priority, message.at_ms, message.text, int(message.silent))
    return (Write(_INSERT, values), *(Write(_ADDRESS, (channel, urgent)) for channel in channels))


def new_run() -> Write:
    """Note that the tree was started: what follows belongs to another run."""
    return Write(_COUNT, ("run", 1))


def forget_sent() -> tuple[Write, ...]:
    """Drop messages that nobody waits for any more, but for the last ones."""
    return Write(_FORGET_LETTERS, (KEPT_SENT,)), Write(_FORGET, (KEPT_SENT,))


class Outbox:
    """The outbox as senders see it. What writes raises StorageError and may be repeated."""

    def __init__(self, journal: Journal, channels: Sequence[str] = ()) -> None:
        self._journal, self._channels = journal, tuple(channels)

    def next(self, channel: str) -> Letter | None:
        """Return the letter that is first in the line of a channel."""
        row = self._journal.connection.execute(_NEXT, (channel,)).fetchone()
        if row is None:
            return None
        number, at_ms, text, silent, tried = row
        return Letter(number=number, at_ms=at_ms, text=text, silent=bool(silent), tried=bool(tried))

    def queued(self) -> int:
        """Return how many letters wait, in all channels there are."""
        query = "SELECT count(*) FROM deliveries WHERE channel = ? AND sent_ms IS NULL"
        return sum(int(self._one(query, (channel,)) or 0) for channel in self._channels)

    def total(self) -> int:
        """Return how many messages were ever made."""
        return int(self._one("SELECT seq FROM sqlite_sequence WHERE name = 'messages'", ()) or 0)

    def recent(self, channel: str, since_ms: int) -> list[int]:
        """Return when the last letters of a channel were taken, the oldest first."""
        query = "SELECT sent_ms FROM deliveries WHERE channel = ? AND sent_ms > ? ORDER BY sent_ms"
        return [int(at_ms) for (at_ms,) in self._journal.connection.execute(query, (channel, since_ms))]

    def mark_tried(self, channel: str, number: int, *, tried: bool) -> None:
        """Note that it may have arrived from now on, or (False) that it certainly has not."""
        self._write(
            "UPDATE deliveries SET tried = ? WHERE channel = ? AND number = ?", (int(tried), channel, number)
        )

    def mark_sent(self, channel: str, number: int, at_ms: int) -> None:
        """Note that a channel has taken it."""
        self._write(
            "UPDATE deliveries SET sent_ms = ? WHERE channel = ? AND number = ?", (at_ms, channel, number)
        )

    def shelve(self, channel: str, at_ms: int) -> None:
        """Take what this run has made out of the line of a channel without sending it."""
        self._write(_SHELVE, (at_ms, channel))

    def put(self, message: Message, channel: str, *notes: tuple[str, int]) -> None:
        """Put an answer in for one channel; ``notes`` are kept in the same transaction."""
        writes = (*insert(message, (channel,)), *(Write(_NOTE, note) for note in notes))
        self._journal.commit(statements=[(write.sql, write.parameters) for write in writes])

    def note(self, name: str, value: int) -> None:
        """Keep a number."""
        self._write(_NOTE, (name, value))

    def count(self, name: str) -> None:
        """Add one to a number that is kept."""
        self._write(_COUNT, (name, 1))

    def noted(self, name: str) -> int | None:
        """Return a number that is kept, None when there is none."""
        found = self._one("SELECT value FROM notes WHERE name = ?", (name,))
        return None if found is None else int(found)

    async def until_written(self, write: Callable[[], None], pause_s: float = 1.0) -> None:
        """Call ``write`` until the disk takes it."""
        while True:
            try:
                write()
            except StorageError as error:
                logger.error("{}", error)
                await asyncio.sleep(pause_s)
            else:
                return

    def _one(self, query: str, parameters: tuple[object, ...]) -> int | None:
        row = self._journal.connection.execute(query, parameters).fetchone()
        return None if row is None else row[0]

    def _write(self, sql: str, parameters: tuple[object, ...]) -> None:
        self._journal.commit(statements=[(sql, parameters)])
