"""Keeps a worker's database from growing for ever: a few milliseconds at a time, when nothing else is to do.

What all readers of the stream are done with is forgotten after a while, and so are the oldest rows of the
worker's own tables where it names a number to keep. What cannot be helped from here is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loguru import logger

from protocol.errors import StorageError
from protocol.journal import Journal
from protocol.journal_file import WAL_LIMIT_BYTES, log_size
from protocol.messages.stream import Fetch
from protocol.retention import Policy, Retention

EVERY_S: Final = 60.0
SOON_S: Final = 0.05
"""The pause between two bites while there is more to do."""
OVERDUE_S: Final = 10.0
"""A worker that is never idle is interrupted when it is late by so much."""
BUSY_S: Final = 0.1
"""The pause between two bites of one that is interrupted: it must be tidied faster than it can write."""
ROWS_AT_ONCE: Final = 500
MIB: Final = 1 << 20


@dataclass(frozen=True)
class Keep:
    """Of ``table`` the newest ``rows`` stay; its rows are numbered upwards by ``key``, an indexed integer."""

    table: str
    key: str
    rows: int


class Housekeeper:
    """Keeps the journal of one worker small. ``reasons`` are what health shall say of it."""

    def __init__(self, journal: Journal, policy: Policy, keeps: tuple[Keep, ...], *, now: float) -> None:
        self._journal, self._policy, self._keeps = journal, policy, keeps
        self._retention = Retention(policy, journal.readers(), now=now, last_seq=journal.last_seq)
        self.deadline = now + EVERY_S
        self.reasons: tuple[str, ...] = ()
        self._interrupts = False

    def asked(self, fetch: Fetch, now: float, at_ms: int) -> None:
        """Learn from a reader's question how far it is."""
        if fetch.reader and fetch.journal == self._journal.id:
            self._retention.heard(fetch.reader, min(fetch.done, self._journal.last_seq), now=now, at_ms=at_ms)

    def turn(self, now: float, *, idle: bool) -> None:
        """Do a bite of what is due."""
        patience = 0.0 if idle or self._interrupts else OVERDUE_S
        if now < self.deadline + patience:
            return
        try:
            more = self._tidy(now)
        except StorageError as error:
            # Told by the next step that cannot be written; what is kept too long hurts nobody.
            logger.debug("{}", error)
            more = False
        self._interrupts = more and not idle
        self.deadline = now + ((SOON_S if idle else BUSY_S) if more else EVERY_S)

    def _tidy(self, now: float) -> bool:
        journal = self._journal
        self._retention.mark(now, journal.last_seq)
        if news := self._retention.news():
            journal.note_readers(news)
        below = self._retention.below(now, journal.size())
        journal.prune(below, at_once=ROWS_AT_ONCE)
        more = min(below, journal.last_seq + 1) > journal.first_seq
        for keep in self._keeps:
            more |= self._cut(keep)
        if not more:
            self._judge(now)
        return more

    def _cut(self, keep: Keep) -> bool:
        # Not from a request or a file: the names are the worker's own constants.
        newest = self._journal.connection.execute(f"SELECT max({keep.key}) FROM {keep.table}").fetchone()[0]
        last = (newest or 0) - keep.rows
        oldest = self._journal.connection.execute(f"SELECT min({keep.key}) FROM {keep.table}").fetchone()[0]
        if oldest is None or oldest > last:
            return False
        upto = min(last, oldest + ROWS_AT_ONCE - 1)
        self._journal.commit(statements=[(f"DELETE FROM {keep.table} WHERE {keep.key} <= ?", (upto,))])
        return bool(upto < last)

    def _judge(self, now: float) -> None:
        found = tuple(reason for reason in (self._too_large(now), self._log_too_large()) if reason)
        for reason in found:
            if reason.split(":")[0] not in {known.split(":")[0] for known in self.reasons}:
                logger.critical("{}", reason)
        self.reasons = found

    def _too_large(self, now: float) -> str | None:
        size, limit = self._journal.size(), self._policy.max_bytes
        if size <= limit:
            return None
        absent = ", ".join(self._retention.absent(now))
        blame = f"readers not heard of: {absent}" if absent else "nothing in it may be forgotten yet"
        return f"{self._journal.path} is larger than {limit // MIB} MiB: {size // MIB} MiB; {blame}"

    def _log_too_large(self) -> str | None:
        size = log_size(self._journal.path)
        if size <= 2 * WAL_LIMIT_BYTES:
            return None
        path = f"{self._journal.path}-wal"
        limit = 2 * WAL_LIMIT_BYTES // MIB
        return (
            f"{path} is larger than {limit} MiB: {size // MIB} MiB; somebody reads the database for too long"
        )
