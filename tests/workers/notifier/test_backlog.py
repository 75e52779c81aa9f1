"""Tens of thousands of letters that wait: nothing that is done on the loop costs more for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from protocol.journal import Journal
from tests.workers.notifier.desk import Desk
from workers.notifier import outbox
from workers.notifier.core import FORGET_EVERY
from workers.notifier.message import Message
from workers.notifier.outbox import BIT, KEPT_SENT, LOG, TABLES, Outbox
from workers.notifier.repeats import FIRST_PAUSE_MS, TOLD_AT_ONCE
from workers.shared.core import Write

CHANNEL = "telegram"
MANY = 50_000
LETTER = Message(kind="test", at_ms=1, text="a text", priority="info")
INSTRUCTIONS = 100
"""Of SQLite's machine: a measure of work that is the same on every computer."""


ALL_AT_ONCE = """WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n LIMIT ?)
    INSERT INTO messages (run, kind, priority, at_ms, text, silent)
    SELECT 0, 'test', 'info', 1, 'x', 0 FROM n"""
ALL_ADDRESSED = "INSERT INTO deliveries (channel, number, urgent) SELECT ?, number, 0 FROM messages"


def fill(journal: Journal, count: int, *channels: str) -> None:
    """Put so many letters in, in transactions of a thousand."""
    for _ in range(count // 1000):
        do(journal, *outbox.insert(LETTER, channels) * 1000)


def do(journal: Journal, *writes: Write) -> None:
    """Commit what a step would."""
    journal.commit(statements=[(write.sql, write.parameters) for write in writes])


def work(journal: Journal, call: Callable[[], object]) -> int:
    """Return how much work for SQLite a call is, in hundreds of instructions."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    journal.connection.set_progress_handler(count, INSTRUCTIONS)
    call()
    journal.connection.set_progress_handler(None, 0)
    return steps


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """Give an outbox in which an earlier run has left very much."""
    path = tmp_path_factory.mktemp("backlog") / "n.db"
    with closing(Journal.open(path, stream="notifier", tables=TABLES)) as made:
        made.commit(statements=[(ALL_AT_ONCE, (MANY,)), (ALL_ADDRESSED, (CHANNEL,))])
        do(made, outbox.new_run())
        yield made


def counts(journal: Journal, table: str = "messages") -> int:
    """Return how many rows there are."""
    return int(journal.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.req("X1")
def test_fifty_thousand_letters_that_wait_cost_nothing(journal: Journal) -> None:
    """Counting, taking the next, noting it, trimming, and shelving what this run has made."""
    box = Outbox(journal, (CHANNEL,))

    assert box.queued() == MANY
    assert work(journal, box.queued) <= 1
    assert work(journal, lambda: box.next(CHANNEL)) <= 1
    assert work(journal, lambda: box.mark_sent(CHANNEL, 1, 1)) <= 2
    assert box.queued() == MANY - 1
    assert work(journal, lambda: do(journal, outbox.forget_sent(100))) <= 2
    assert work(journal, lambda: box.shelve(CHANNEL, 1)) <= 2
    assert box.queued() == MANY - 1


@pytest.mark.req("X1")
def test_what_a_replay_must_not_send_is_shelved_a_bit_at_a_time(tmp_path: Path) -> None:
    """Each bit is bounded; in the end all of this run is shelved, and nothing of the one before."""
    with closing(Journal.open(tmp_path / "n.db", stream="notifier", tables=TABLES)) as journal:
        box = Outbox(journal, (CHANNEL,))
        fill(journal, 1000, CHANNEL)
        do(journal, outbox.new_run())
        fill(journal, 1000, CHANNEL)
        bits = 0
        while box.shelve(CHANNEL, 5):
            bits += 1
            assert box.queued() == max(2000 - bits * BIT, 1000)

        assert bits == 1000 // BIT


@pytest.mark.req("X1")
def test_what_was_sent_is_dropped_a_bit_at_a_time(tmp_path: Path) -> None:
    """Letters and their messages; those that one channel still waits for, and the last ones, are kept."""
    with closing(Journal.open(tmp_path / "n.db", stream="notifier", tables=TABLES)) as journal:
        fill(journal, 1000, CHANNEL, "other")
        fill(journal, 1000)
        fill(journal, KEPT_SENT)
        journal.commit(statements=[("UPDATE deliveries SET sent_ms = 1 WHERE number <> 7", ())])
        journal.commit(statements=[("UPDATE deliveries SET sent_ms = 1 WHERE channel = 'other'", ())])
        before = counts(journal, "deliveries")
        do(journal, outbox.forget_sent(100))
        assert counts(journal, "deliveries") == before - 100
        for _ in range(40):
            do(journal, outbox.forget_sent(100))

        kept = [number for (number,) in journal.connection.execute("SELECT number FROM messages")]
        assert kept == [7, *range(2001, 2001 + KEPT_SENT)]
        assert {LOG, CHANNEL} == {
            one for (one,) in journal.connection.execute("SELECT channel FROM deliveries")
        }


def test_the_count_is_right_after_a_kill(tmp_path: Path) -> None:
    """It is counted anew when the file is opened."""
    for _ in range(2):
        with closing(Journal.open(tmp_path / "n.db", stream="notifier", tables=TABLES)) as journal:
            do(journal, *outbox.insert(LETTER, (CHANNEL, "other")))
            expected = journal.connection.execute("SELECT count(*) FROM deliveries WHERE sent_ms IS NULL")
            assert Outbox(journal, (CHANNEL, "other")).queued() == expected.fetchone()[0]
            journal.commit(statements=[("DELETE FROM waiting", ())])


@pytest.mark.req("X1")
def test_what_an_older_program_told_the_log_only_is_dropped_too(tmp_path: Path) -> None:
    """Such messages have no letter at all; they go like others, the last ones are kept for reference."""
    path = tmp_path / "n.db"
    with closing(Journal.open(path, stream="notifier", tables=TABLES)) as journal:
        journal.commit(statements=[(ALL_AT_ONCE, (3000,))])
        assert counts(journal, "deliveries") == 0
    with closing(Journal.open(path, stream="notifier", tables=TABLES)) as journal:
        fill(journal, KEPT_SENT)
        for _ in range(4):
            do(journal, outbox.forget_sent(1000))

        assert counts(journal) == counts(journal, "deliveries") == KEPT_SENT
        assert Outbox(journal).queued() == 0


@pytest.mark.req("X1")
@pytest.mark.req("N2")
def test_a_channel_that_never_answers_fills_no_disk(make_desk: Callable[..., Desk]) -> None:
    """Beyond what is set the oldest letters of its line go, what is critical last; all channels are told."""
    desk = make_desk(channels=(CHANNEL, "other"), keep_unsent=100)
    desk.event("parked", "feed", reason="config")
    box = Outbox(desk.journal, desk.channels)
    for number in range(400):
        desk.event("reloaded", what=f"event {number}.")
        desk.run()
        while (letter := box.next("other")) is not None:
            box.mark_sent("other", letter.number, 1)

    waiting = [text for text in desk.waiting() if "event " in text]
    assert 100 <= box.queued_in(CHANNEL) <= 100 + 2 * FORGET_EVERY
    assert waiting == [f"The tree file was read again: event {n}." for n in range(400 - len(waiting), 400)]
    assert "feed is parked" in desk.waiting()[0]
    assert TOLD_AT_ONCE == len(desk.texts("dropped"))
    desk.at_ms += FIRST_PAUSE_MS
    desk.run()
    (summary,) = desk.texts("repeated")
    told = int(summary.split("telegram has taken nothing for long: ")[1].split()[0])
    ever = 1 + 400 + TOLD_AT_ONCE + 1
    assert 0 <= ever - told - box.queued_in(CHANNEL) <= FORGET_EVERY  # those just now are told the next time
    assert summary in desk.waiting()


@pytest.mark.req("X1")
def test_short_lives_drop_what_is_sent_too(make_desk: Callable[..., Desk]) -> None:
    """A notifier that tells little between two starts does not keep all of it for ever."""
    desk = make_desk(channels=())
    fill(desk.journal, KEPT_SENT)
    for number in range(2 * FORGET_EVERY):
        desk.revive()
        desk.event("reloaded", what=f"event {number}")
        desk.run()

    assert counts(desk.journal) <= KEPT_SENT + 2
