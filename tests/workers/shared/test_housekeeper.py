"""What the housekeeper believes of readers' questions, and how fast it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.codec import MARKET
from protocol.journal import Journal
from protocol.messages.market import End
from protocol.messages.stream import Fetch
from protocol.retention import Policy
from workers.shared.housekeeping import BUSY_S, EVERY_S, OVERDUE_S, ROWS_AT_ONCE, SOON_S, Housekeeper

pytestmark = pytest.mark.req("X1")
RECORDS = 2 * ROWS_AT_ONCE + 1


def kept(path: Path) -> tuple[Journal, Housekeeper]:
    """A journal of some bites that are old enough to be forgotten, and who keeps it small."""
    journal = Journal.open(path / "x.db", stream="x")
    journal.commit(bodies=[MARKET.encode(End(on_end="idle", at_ms=0))] * RECORDS)
    return journal, Housekeeper(journal, Policy(keep_s=0.0), (), now=0.0)


def asks(journal: str, done: int) -> Fetch:
    """Return the question of a reader that is done with so much of ``journal``."""
    return Fetch(after=done, limit=1, reader="broker", done=done, journal=journal)


def test_what_a_reader_is_done_with_is_remembered_and_goes_bite_by_bite(tmp_path: Path) -> None:
    """A pause between two bites, a minute after the last one."""
    journal, keeper = kept(tmp_path)
    keeper.asked(asks(journal.id, RECORDS), now=1.0, at_ms=7)
    now, left, pauses = EVERY_S, [], []
    for _ in range(3):
        keeper.turn(now, idle=True)
        left.append(journal.last_seq - journal.first_seq + 1)
        pauses.append(round(keeper.deadline - now, 3))
        now = keeper.deadline

    assert [RECORDS - ROWS_AT_ONCE, 1, 0] == left
    assert [SOON_S, SOON_S, EVERY_S] == pauses
    reader = journal.readers()["broker"]
    journal.close()
    assert (RECORDS, 7) == (reader.seq, reader.seen_ms)


def test_a_worker_that_is_never_idle_is_tidied_faster_than_it_writes(tmp_path: Path) -> None:
    """Interrupted once, it is interrupted until all is done: one bite in ten seconds let a journal grow."""
    journal, keeper = kept(tmp_path)
    keeper.asked(asks(journal.id, RECORDS), now=1.0, at_ms=7)
    keeper.turn(EVERY_S + OVERDUE_S - 0.1, idle=False)
    assert 1 == journal.first_seq

    now, pauses = EVERY_S + OVERDUE_S, []
    for _ in range(3):
        keeper.turn(now, idle=False)
        pauses.append(round(keeper.deadline - now, 3))
        now = keeper.deadline

    assert [BUSY_S, BUSY_S, EVERY_S] == pauses
    assert RECORDS == journal.first_seq - 1
    journal.close()


def test_a_reader_of_another_journal_is_done_with_nothing_here(tmp_path: Path) -> None:
    """Its cursor counts in a file that was here before: what it says would cost it records of this one."""
    journal, keeper = kept(tmp_path)
    keeper.asked(asks("another", RECORDS), now=1.0, at_ms=7)
    keeper.turn(EVERY_S, idle=True)

    assert (1, {}) == (journal.first_seq, journal.readers())
    journal.close()


def test_nobody_is_done_with_what_there_has_not_been_yet(tmp_path: Path) -> None:
    """A word beyond the end is taken for the end, so that what comes next is held for the reader."""
    journal, keeper = kept(tmp_path)
    keeper.asked(asks(journal.id, 10**9), now=1.0, at_ms=7)
    keeper.turn(EVERY_S, idle=True)

    assert RECORDS == journal.readers()["broker"].seq
    journal.close()
