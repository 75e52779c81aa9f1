"""The outbox: messages on disk from the moment they are made until every channel has taken them.

A message is put in by the step that consumed its record, in one transaction with the cursor: once, whatever
is killed. Each channel has its own line through it, critical messages first, the oldest first among equals.
A letter is marked *tried* before it goes out and *sent* after the channel said so: one that was tried in a
life that ended in between goes out again, marked, rather than never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from loguru import logger
from msgspec import Struct

from protocol.errors import StorageError
from protocol.journal import Journal
from workers.notifier.message import Message
from workers.shared.core import Write

KEPT_SENT: Final = 1000
"""Messages already sent that are kept for reference."""
KEPT_UNSENT: Final = 10_000
"""Messages that wait at most for a channel that takes none: a month and more of a tree that trades much."""
BIT: Final = 200
"""How many letters are shelved in one transaction: the loop must not stand still for them."""
LETTERS: Final = "letters"
"""The note of how many letters were ever made."""
LOG: Final = ""
"""The line of what goes to the log only: it is sent at once."""

T = TypeVar("T")

ANSWER: Final = "answer"
"""The kind of what answers a command: somebody waits for it."""

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS messages (
        number INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, kind TEXT NOT NULL,
        priority TEXT NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL, silent INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS deliveries (
        channel TEXT NOT NULL, number INTEGER NOT NULL, urgent INTEGER NOT NULL,
        tried INTEGER NOT NULL DEFAULT 0, sent_ms INTEGER, PRIMARY KEY (channel, number)) WITHOUT ROWID""",
    # Older programs gave what goes to the log only no letter, and what has none would never be dropped.
    """INSERT INTO deliveries (channel, number, urgent, sent_ms) SELECT '', number, 0, at_ms FROM messages
        WHERE number NOT IN (SELECT number FROM deliveries)""",
    "CREATE INDEX IF NOT EXISTS lines ON deliveries (channel, urgent DESC, number) WHERE sent_ms IS NULL",
    "CREATE INDEX IF NOT EXISTS unsent ON deliveries (number) WHERE sent_ms IS NULL",
    "CREATE INDEX IF NOT EXISTS sent ON deliveries (number) WHERE sent_ms IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS runs ON messages (run)",
    "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    # How many wait is asked with every beat: it is kept, and counted only when the file is opened.
    "CREATE TABLE IF NOT EXISTS waiting (channel TEXT PRIMARY KEY, letters INTEGER NOT NULL) WITHOUT ROWID",
    "DELETE FROM waiting",
    "INSERT INTO waiting SELECT channel, count(*) FROM deliveries WHERE sent_ms IS NULL GROUP BY channel",
    "INSERT OR IGNORE INTO notes SELECT 'letters', count(*) FROM deliveries",
    """CREATE TRIGGER IF NOT EXISTS made AFTER INSERT ON deliveries BEGIN
        UPDATE notes SET value = value + 1 WHERE name = 'letters';
    END""",
    """CREATE TRIGGER IF NOT EXISTS put_in AFTER INSERT ON deliveries WHEN new.sent_ms IS NULL BEGIN
        INSERT INTO waiting VALUES (new.channel, 1) ON CONFLICT (channel) DO UPDATE SET letters = letters + 1;
    END""",
    """CREATE TRIGGER IF NOT EXISTS taken_out AFTER UPDATE OF sent_ms ON deliveries
    WHEN old.sent_ms IS NULL AND new.sent_ms IS NOT NULL BEGIN
        UPDATE waiting SET letters = letters - 1 WHERE channel = new.channel;
    END""",
    """CREATE TRIGGER IF NOT EXISTS dropped AFTER DELETE ON deliveries
    WHEN NOT EXISTS (SELECT 1 FROM deliveries WHERE number = old.number AND sent_ms IS NULL)
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE number = old.number AND sent_ms IS NOT NULL) BEGIN
        DELETE FROM messages WHERE number = old.number;
    END""",
)

_INSERT: Final = (
    "INSERT INTO messages (run, kind, priority, at_ms, text, silent)"
    " VALUES (coalesce((SELECT value FROM notes WHERE name = 'run'), 0), ?, ?, ?, ?, ?)"
)
_ADDRESS: Final = (
    "INSERT INTO deliveries (channel, number, urgent, sent_ms) SELECT ?, max(number), ?, ? FROM messages"
)
_FORGET: Final = (
    "DELETE FROM deliveries WHERE (channel, number) IN (SELECT channel, number FROM deliveries"
    " WHERE sent_ms IS NOT NULL AND number <= (SELECT max(number) FROM messages) - ?"
    " ORDER BY number LIMIT ?)"
)
_NEXT: Final = (
    "SELECT d.number, m.at_ms, m.text, m.silent, d.tried FROM deliveries AS d JOIN messages AS m"
    " USING (number) WHERE d.channel = ? AND d.sent_ms IS NULL ORDER BY d.urgent DESC, d.number LIMIT 1"
)
_SHELVE: Final = (
    "UPDATE deliveries SET sent_ms = ? WHERE channel = ? AND number IN (SELECT number FROM deliveries"
    " INDEXED BY unsent WHERE channel = ? AND sent_ms IS NULL AND number >= (SELECT min(number)"
    " FROM messages WHERE run = (SELECT value FROM notes WHERE name = 'run')) LIMIT ?)"
)
_DROP: Final = (
    "UPDATE deliveries SET sent_ms = ? WHERE channel = ? AND number IN (SELECT number FROM deliveries"
    " WHERE channel = ? AND sent_ms IS NULL ORDER BY urgent, number LIMIT ?)"
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
    lines = [Write(_ADDRESS, (channel, urgent, None)) for channel in channels]
    return (Write(_INSERT, values), *(lines or [Write(_ADDRESS, (LOG, urgent, message.at_ms))]))


def new_run() -> Write:
    """Note that the tree was started: what follows belongs to another run."""
    return Write(_COUNT, ("run", 1))


def forget_sent(most: int) -> Write:
    """Drop letters that nobody waits for any more, the oldest ``most``, and messages without any letter left.

    The last messages are kept for reference.
    """
    return Write(_FORGET, (KEPT_SENT, most))


def drop(channel: str, count: int, at_ms: int) -> Write:
    """Take so many letters out of the line of a channel, unsent: the oldest, what is urgent last."""
    return Write(_DROP, (at_ms, channel, channel, count))


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
        return sum(map(self.queued_in, self._channels))

    def queued_in(self, channel: str) -> int:
        """Return how many letters wait in one channel."""
        return int(self._one("SELECT letters FROM waiting WHERE channel = ?", (channel,)) or 0)

    def total(self) -> int:
        """Return how many letters were ever made: one a channel, or one for the log alone."""
        return self.noted(LETTERS) or 0

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

    def shelve(self, channel: str, at_ms: int) -> bool:
        """Take some of what this run has made out of the line of a channel, unsent; whether there was any."""
        waiting = self.queued_in(channel)
        self._write(_SHELVE, (at_ms, channel, channel, BIT))
        return self.queued_in(channel) < waiting

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

    async def until_written(self, write: Callable[[], T], pause_s: float = 1.0) -> T:
        """Call ``write`` until the disk takes it; return what it returns."""
        while True:
            try:
                return write()
            except StorageError as error:
                logger.error("{}", error)
                await asyncio.sleep(pause_s)

    def _one(self, query: str, parameters: tuple[object, ...]) -> int | None:
        row = self._journal.connection.execute(query, parameters).fetchone()
        return None if row is None else row[0]

    def _write(self, sql: str, parameters: tuple[object, ...]) -> None:
        self._journal.commit(statements=[(sql, parameters)])
