"""The outbox: messages on disk from the moment they are made until a channel has taken them.

A message is put in by the step that consumed its record, in one transaction with the cursor: once, whatever
is killed. It is marked sent after the channel said so; a kill in that instant sends it twice rather than
never.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from protocol.journal import Journal
from workers.notifier.message import Message
from workers.shared.core import Write

KEPT_SENT: Final = 1000
"""Messages already sent that are kept for reference."""

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS outbox (
        number INTEGER PRIMARY KEY, kind TEXT NOT NULL, priority TEXT NOT NULL, at_ms INTEGER NOT NULL,
        text TEXT NOT NULL, sent_ms INTEGER)""",
    "CREATE INDEX IF NOT EXISTS unsent ON outbox (number) WHERE sent_ms IS NULL",
)


class Letter(Struct, frozen=True):
    """A message that waits to be sent."""

    number: int
    at_ms: int
    text: str


def insert(number: int, message: Message, *, sent_ms: int | None) -> Write:
    """Put a message in; with ``sent_ms`` as one that needs no sending."""
    sql = "INSERT INTO outbox (number, kind, priority, at_ms, text, sent_ms) VALUES (?, ?, ?, ?, ?, ?)"
    return Write(sql, (number, message.kind, message.priority, message.at_ms, message.text, sent_ms))


def forget_sent(newest: int) -> Write:
    """Drop sent messages but for the last ones."""
    return Write("DELETE FROM outbox WHERE sent_ms IS NOT NULL AND number <= ?", (newest - KEPT_SENT,))


class Outbox:
    """The outbox as the sender sees it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def oldest(self) -> Letter | None:
        """Return the first message that is not sent."""
        row = self._journal.connection.execute(
            "SELECT number, at_ms, text FROM outbox WHERE sent_ms IS NULL ORDER BY number LIMIT 1"
        ).fetchone()
        return Letter(*row) if row else None

    def queued(self) -> int:
        """Return how many messages are not sent."""
        query = "SELECT count(*) FROM outbox WHERE sent_ms IS NULL"
        return int(self._journal.connection.execute(query).fetchone()[0])

    def mark_sent(self, number: int, at_ms: int) -> None:
        """Note that a channel has taken it. Raises StorageError; may be repeated."""
        statement = ("UPDATE outbox SET sent_ms = ? WHERE number = ?", (at_ms, number))
        self._journal.commit(statements=[statement])
