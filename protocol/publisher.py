"""The producer's half of the reliable stream: answers about the past, words for the present. No sockets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from protocol.latest import Board
from protocol.messages.stream import Fetch, Former, Latest, Live, Past, Record, Role, Tip

MAX_BATCH: Final = 1000
"""The most records in one answer."""

MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
"""The most bytes of bodies in one message; a first record always goes, however large it is."""

RECORD_OVERHEAD: Final = 32
"""What a record's numbers and headers take in a frame, rounded up."""

MAX_LATEST_BYTES: Final = 2 * 1024 * 1024
"""The most bytes of newest values in one answer: the newest of them; the rest comes with the next tick."""


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
    """Speaks for one source. ``journal`` is read at each question; nothing is kept here.

    ``board`` has the live prices of a producer that has any; ``former``: see :class:`Past`.
    """

    def __init__(
        self,
        journal: Source,
        role: Role,
        board: Board | None = None,
        former: tuple[Former, ...] = (),
    ) -> None:
        self._journal = journal
        self._role = role
        self._board = board or Board("")
        self._former = former

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
            latest=_newest_that_fit(self._board.newest) if fetch.latest else (),
            with_latest=fetch.latest,
            life=self._board.life,
            former=self._former,
            question=fetch.question,
        )

    def live(self, records: Iterable[Record]) -> Live:
        """Announce records just committed. What does not fit into one message is fetched by the consumer."""
        return Live(journal=self._journal.id, records=tuple(_that_fit(records)))

    def tip(self) -> Tip:
        """Say how far the journal goes; to be sent every second."""
        board = self._board
        return Tip(
            journal=self._journal.id, last_seq=self._journal.last_seq, life=board.life, told=board.told
        )


def _that_fit(records: Iterable[Record]) -> Iterator[Record]:
    total = 0
    for count, record in enumerate(records):
        total += len(memoryview(record.body)) + RECORD_OVERHEAD
        if count and total > MAX_BATCH_BYTES:
            return
        yield record


def _newest_that_fit(latest: tuple[Latest, ...]) -> tuple[Latest, ...]:
    total, kept = 0, []
    for one in reversed(latest):
        total += len(memoryview(one.body)) + len(one.topic.encode()) + RECORD_OVERHEAD
        if total > MAX_LATEST_BYTES:
            break
        kept.append(one)
    return tuple(reversed(kept))
