"""The producer's half of the reliable stream: answers about the past, words for the present. No sockets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from protocol.messages.stream import Fetch, Live, Past, Record, Role, Tip

MAX_BATCH: Final = 1000
"""The most records in one answer."""

MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
"""The most bytes of bodies in one message; a first record always goes, however large it is."""

RECORD_OVERHEAD: Final = 32
"""What a record's numbers and headers take in a frame, rounded up."""


class Source(Protocol):
    """What a publisher reads: a journal, or a recording that is its own journal."""

    @property
    def id(self) -> str:
        """The random id of the journal."""
        ...

    @property
    def first_seq(self) -> int:
        """The oldest seq kept; ``last_seq + 1`` when nothing is kept."""
        ...

    @property
    def last_seq(self) -> int:
        """The newest seq; 0 when there was none yet."""
        ...

    def read(self, after: int, limit: int) -> tuple[Record, ...]:
        """At most ``limit`` records with a seq greater than ``after``, in order, without holes."""
        ...


class Publisher:
    """Speaks for one source. ``journal`` is read at each question; nothing is kept here."""

    def __init__(self, journal: Source, role: Role) -> None:
        self._journal = journal
        self._role = role

    def answer(self, fetch: Fetch) -> Past:
        """Answer a question about the past; never with more than ``MAX_BATCH`` records.

        What was pruned is not skipped over: the consumer sees ``first_seq`` and decides.
        """
        journal = self._journal
        records: tuple[Record, ...] = ()
        if journal.first_seq <= fetch.after + 1 <= journal.last_seq:
            limit = max(1, min(fetch.limit, MAX_BATCH))
            records = tuple(_that_fit(journal.read(fetch.after, limit)))
        return Past(
            journal=journal.id,
            role=self._role,
            after=fetch.after,
            first_seq=journal.first_seq,
            last_seq=journal.last_seq,
            records=records,
        )

    def live(self, records: Iterable[Record]) -> Live:
        """Announce records just committed. What does not fit into one message is fetched by the consumer."""
        return Live(journal=self._journal.id, records=tuple(_that_fit(records)))

    def tip(self) -> Tip:
        """Say how far the journal goes; to be sent every second."""
        return Tip(journal=self._journal.id, last_seq=self._journal.last_seq)


def _that_fit(records: Iterable[Record]) -> Iterator[Record]:
    total = 0
    for count, record in enumerate(records):
        total += len(memoryview(record.body)) + RECORD_OVERHEAD
        if count and total > MAX_BATCH_BYTES:
            return
        yield record
