"""The producer's half: what it answers and announces."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import BROADCAST, MAX_BODY, STREAM_REPLY
from protocol.messages.stream import AccountRole, Fetch, Record
from protocol.publisher import MAX_BATCH, MAX_BATCH_BYTES, Publisher


def record(seq: int, size: int = 8) -> Record:
    return Record(seq, 0, msgspec.Raw(msgspec.msgpack.encode(b"x" * size)))


class Recording:
    """A source that is not a journal: rows ``first`` to ``last`` of a recording."""

    id = "tape"

    def __init__(self, last: int, first: int = 1, size: int = 8) -> None:
        self.first_seq, self.last_seq, self._size = first, last, size

    def read(self, after: int, limit: int) -> tuple[Record, ...]:
        return tuple(
            record(seq, self._size) for seq in range(after + 1, min(after + limit, self.last_seq) + 1)
        )


def seqs(records: tuple[Record, ...]) -> list[int]:
    return [entry.seq for entry in records]


@given(after=st.integers(-5, 30), limit=st.integers(-5, 2000), first=st.integers(1, 12))
def test_answers_what_follows_and_nothing_else(after: int, limit: int, first: int) -> None:
    """Records follow the question without a hole, or there are none; the extent is always told."""
    past = Publisher(Recording(20, first), AccountRole()).answer(Fetch(after=after, limit=limit))

    expected = range(after + 1, min(20, after + max(1, limit)) + 1) if first <= after + 1 <= 20 else range(0)
    assert list(expected) == seqs(past.records)
    assert ("tape", after, first, 20) == (past.journal, past.after, past.first_seq, past.last_seq)


def test_a_batch_is_bounded_in_records() -> None:
    """However much is asked for, one answer has at most MAX_BATCH records."""
    past = Publisher(Recording(5000), AccountRole()).answer(Fetch(after=0, limit=10**12))

    assert list(range(1, MAX_BATCH + 1)) == seqs(past.records)


def test_a_batch_is_bounded_in_bytes() -> None:
    """The largest records, as many as asked for, still fit into frames, and at least one goes."""
    publisher = Publisher(Recording(5000, size=MAX_BODY - 100), AccountRole())
    past = publisher.answer(Fetch(after=0, limit=100))
    live = publisher.live(record(seq, MAX_BODY - 100) for seq in range(1, 100))

    assert seqs(past.records) == seqs(live.records) == [1, 2, 3, 4]
    assert MAX_BATCH_BYTES < STREAM_REPLY.max_bytes
    STREAM_REPLY.encode(past)
    BROADCAST.encode(live)


def test_tip_says_how_far_it_goes() -> None:
    """A lost last message is noticed by the tip."""
    tip = Publisher(Recording(9), AccountRole()).tip()

    assert ("tape", 9) == (tip.journal, tip.last_seq)
