"""Keeps ``events.db`` from growing for ever, and what `supervisor why` needs for as long as there is a tree.

Before records are forgotten the last event of each kind about each child moves into a table beside them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from protocol.codec import EVENTS
from protocol.journal import Journal
from protocol.messages.notice import SupervisionEvent
from protocol.messages.stream import Fetch, Record
from protocol.retention import Policy, Retention

DAY_S: Final = 86_400.0
POLICY: Final = Policy(keep_s=7 * DAY_S, max_bytes=64 << 20, patience_s=3600.0, keep_full_s=600.0)
"""A week where there is room for it; ten minutes, and what readers that are there lack, always."""

EVERY_S: Final = 60.0
AT_ONCE: Final = 500
"""How many records are forgotten in one turn: a few milliseconds."""

BIRTH: Final = "birth"
"""Under this name the start of the incarnation that ended last is kept, beside the last ``spawned``."""

REMEMBERED_MOST: Final = 20_000
"""Children of pools have names without end: the oldest are forgotten for good."""

TABLE: Final = """CREATE TABLE IF NOT EXISTS remembered (
    child TEXT NOT NULL, event TEXT NOT NULL,
    seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (child, event)) WITHOUT ROWID"""

Statement = tuple[str, tuple[Any, ...]]

_KEEP: Final = "INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, ?, ?)"
_BORN: Final = (
    "INSERT OR REPLACE INTO remembered SELECT child, ?, seq, at_ms, body FROM remembered "
    "WHERE child = ? AND event = 'spawned'"
)
_FORGET: Final = (
    "DELETE FROM remembered WHERE seq <= (SELECT seq FROM remembered ORDER BY seq DESC LIMIT 1 OFFSET ?)"
)


class EventKeeper:
    """Forgets what all readers are done with and what is old. Times are monotonic seconds."""

    def __init__(self, journal: Journal, policy: Policy, *, now: float) -> None:
        self._journal = journal
        self._retention = Retention(policy, journal.readers(), now=now, last_seq=journal.last_seq)
        self._due = now + EVERY_S

    def asked(self, fetch: Fetch, *, now: float, at_ms: int) -> None:
        """Learn from a reader's question how far it is."""
        if fetch.reader and fetch.journal == self._journal.id:
            self._retention.heard(fetch.reader, min(fetch.done, self._journal.last_seq), now=now, at_ms=at_ms)

    def turn(self, now: float) -> None:
        """Forget a bite of what is due; to be called every second. Raises StorageError."""
        if now < self._due:
            return
        # Also after an error: what is kept too long hurts nobody.
        self._due = now + EVERY_S
        self._retention.mark(now, self._journal.last_seq)
        if news := self._retention.news():
            self._journal.note_readers(news)
        if self._forget(self._retention.below(now, self._journal.size())):
            self._due = now

    def _forget(self, below: int) -> bool:
        """Whether there is more to forget."""
        journal = self._journal
        first = journal.first_seq
        upto = min(below, journal.last_seq + 1, first + AT_ONCE)
        if upto <= first:
            return False
        # In this order a kill in between leaves events in both places, which is harmless.
        journal.commit(statements=remembering(journal.read(first - 1, upto - first)))
        journal.prune(upto, at_once=AT_ONCE)
        return upto < min(below, journal.last_seq + 1)


def remembering(records: Iterable[Record]) -> list[Statement]:
    """Return the statements that remember the last event of each kind about each child. Pure."""
    statements: list[Statement] = []
    for record in records:
        event: SupervisionEvent = EVENTS.decode(record.body)
        child = event.child or ""
        if event.event == "exited":
            statements.append((_BORN, (BIRTH, child)))
        statements.append((_KEEP, (child, event.event, record.seq, record.at_ms, bytes(record.body))))
    return [*statements, (_FORGET, (REMEMBERED_MOST,))]
