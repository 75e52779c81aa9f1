"""The consumer's half, case by case; the state machine in test_stream_machine.py does the rest."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest

from protocol.errors import HistoryLost, JournalReplaced
from protocol.messages.stream import AccountRole, EventsRole, Fetch, Former, Latest, Live, Past, Tip
from protocol.subscriber import BUFFERED_BATCHES, IDLE_S, RETRY_MAX_S, RETRY_S, Subscriber
from tests.protocol.test_publisher import record, seqs

ROOM = 1000


def past(after: int, upto: int, last: int, *, journal: str = "j", first: int = 1) -> Past:
    records = tuple(record(seq) for seq in range(after + 1, upto + 1))
    return Past(
        journal=journal, role=AccountRole(), after=after, first_seq=first, last_seq=last, records=records
    )


def live(*numbers: int, journal: str = "j") -> Live:
    return Live(journal, tuple(record(seq) for seq in numbers))


def contacted(upto: int = 3) -> Subscriber:
    """A subscriber that has everything up to ``upto``, at time 0."""
    subscriber = Subscriber("broker", journal="j", after=0)
    subscriber.poll(0.0, ROOM)
    subscriber.on_past(past(0, upto, upto), 0.0)
    subscriber.take(ROOM)
    return subscriber


def test_asks_at_birth_from_its_cursor() -> None:
    """The first question goes out at once, for what follows the cursor."""
    subscriber = Subscriber("broker", journal="j", after=7, batch=50)

    assert subscriber.next_deadline == -math.inf
    assert not subscriber.caught_up
    assert Fetch(after=7, limit=50) == subscriber.poll(0.0, ROOM)
    assert subscriber.poll(0.0, ROOM) is None


def test_first_contact_tells_who_it_is() -> None:
    """Role and journal id come with the first answer; then everything is there."""
    subscriber = Subscriber("broker", journal=None, after=0)
    subscriber.poll(0.0, ROOM)
    subscriber.on_past(past(0, 2, 2), 0.1)

    assert (AccountRole(), "j") == (subscriber.role, subscriber.journal)
    assert (False, 0) == (subscriber.caught_up, subscriber.position)
    assert [1, 2] == seqs(subscriber.take(ROOM))
    assert (True, 2) == (subscriber.caught_up, subscriber.position)


def test_asks_again_when_nobody_answers() -> None:
    """Silence is met with patience that grows up to a bound."""
    subscriber = Subscriber("broker", journal=None, after=0)
    asked_at: list[float] = []
    now = 0.0
    while len(asked_at) < 6:
        if subscriber.poll(now, ROOM):
            asked_at.append(now)
        now = subscriber.next_deadline

    waits = [later - earlier for earlier, later in itertools.pairwise(asked_at)]
    assert [RETRY_S, 2 * RETRY_S, 4 * RETRY_S, RETRY_MAX_S, RETRY_MAX_S] == waits


def test_never_asks_without_room() -> None:
    """A consumer that can take nothing asks nothing, and is not woken for it."""
    subscriber = Subscriber("broker", journal=None, after=0)

    assert subscriber.poll(0.0, 0) is None
    assert subscriber.next_deadline == math.inf
    assert Fetch(after=0, limit=3) == subscriber.poll(0.0, 3)


def test_ready_records_fill_the_room() -> None:
    """What waits to be taken counts against the room; the rest of it is asked for."""
    subscriber = Subscriber("broker", journal=None, after=0, batch=10)
    subscriber.poll(0.0, ROOM)
    subscriber.on_past(past(0, 10, 100), 0.0)

    assert subscriber.poll(0.0, 10) is None
    assert Fetch(after=10, limit=2) == subscriber.poll(0.0, 12)


def test_goes_on_at_once_while_behind() -> None:
    """Catching up takes as many round trips as batches, without waiting between them."""
    subscriber = Subscriber("broker", journal=None, after=0, batch=10)
    for after in range(0, 100, 10):
        assert Fetch(after=after, limit=10) == subscriber.poll(0.0, ROOM)
        subscriber.on_past(past(after, after + 10, 100), 0.0)
        subscriber.take(ROOM)

    assert subscriber.caught_up
    assert subscriber.poll(0.0, ROOM) is None


def test_an_answer_without_progress_is_not_asked_for_in_a_circle() -> None:
    """A producer that knows of records but gives none is asked at the pace of retries."""
    subscriber = Subscriber("broker", journal=None, after=0)
    subscriber.poll(0.0, ROOM)
    subscriber.on_past(past(0, 0, 5), 0.0)

    assert subscriber.poll(0.0, ROOM) is None
    assert Fetch(after=0) == subscriber.poll(RETRY_S, ROOM)


def test_live_records_need_no_question() -> None:
    """The fast path: the next records are ready at once, repeated and older ones are dropped."""
    subscriber = contacted()
    subscriber.on_broadcast(live(3, 4, 5), 1.0)
    subscriber.on_broadcast(live(4, 5), 1.0)

    assert [4, 5] == seqs(subscriber.take(ROOM))
    assert subscriber.poll(1.0, ROOM) is None


def test_a_hole_is_fetched_and_what_was_held_follows() -> None:
    """Records beyond a hole wait; the past fills it; nothing comes twice."""
    subscriber = contacted()
    subscriber.on_broadcast(live(6, 7), 1.0)

    assert subscriber.take(ROOM) == ()
    assert Fetch(after=3) == subscriber.poll(1.0, ROOM)
    subscriber.on_past(past(3, 6, 6), 1.1)
    assert [4, 5, 6, 7] == seqs(subscriber.take(ROOM))
    assert subscriber.caught_up


def test_a_lost_last_message_is_noticed_by_the_tip() -> None:
    """The tip alone is reason enough to ask."""
    subscriber = contacted()
    subscriber.on_broadcast(Tip("j", 4), 1.0)

    assert not subscriber.caught_up
    assert Fetch(after=3) == subscriber.poll(1.0, ROOM)


def test_asks_slowly_when_it_hears_nothing() -> None:
    """In case nobody publishes: any word from the producer postpones the question."""
    subscriber = contacted()
    subscriber.on_broadcast(Tip("j", 3), 2.0)

    assert subscriber.poll(2.0 + IDLE_S - 0.01, ROOM) is None
    assert Fetch(after=3) == subscriber.poll(2.0 + IDLE_S, ROOM)


def test_what_is_heard_before_the_first_answer_is_fetched() -> None:
    """A record announced while the first question travels is not lost until the next one comes."""
    subscriber = Subscriber("broker", journal=None, after=0)
    subscriber.poll(0.0, ROOM)
    subscriber.on_broadcast(live(3), 0.0)
    subscriber.on_past(past(0, 2, 2), 0.1)

    assert Fetch(after=2) == subscriber.poll(0.1, ROOM)


def test_memory_is_bounded_when_nothing_is_taken() -> None:
    """A consumer that takes nothing keeps a bounded number of records, and loses none in the end."""
    subscriber = Subscriber("broker", journal=None, after=0, batch=10)
    subscriber.poll(0.0, ROOM)
    subscriber.on_past(past(0, 0, 0), 0.0)
    for seq in range(1, 501):
        subscriber.on_broadcast(live(seq), 0.0)
    got = seqs(subscriber.take(ROOM))
    assert len(got) <= 100

    while not subscriber.caught_up:
        asked = subscriber.poll(0.0, ROOM)
        assert asked is not None
        subscriber.on_past(past(asked.after, min(asked.after + asked.limit, 500), 500), 0.0)
        got += seqs(subscriber.take(ROOM))
    assert list(range(1, 501)) == got


def test_what_is_held_beyond_a_hole_is_bounded() -> None:
    """A flood behind a hole is not kept: what has no place is asked for again when the hole is filled."""
    subscriber = Subscriber("broker", journal="j", after=0, batch=2)
    bound = 2 * BUFFERED_BATCHES
    subscriber.poll(0.0, ROOM)
    subscriber.on_past(past(0, 0, 0), 0.0)
    subscriber.on_broadcast(live(*range(2, 1001)), 0.1)
    assert Fetch(after=0, limit=2) == subscriber.poll(0.1 + RETRY_S, ROOM)

    taken: list[int] = []
    subscriber.on_past(past(0, 1, 1000), 0.2)
    while records := subscriber.take(ROOM):
        taken += seqs(records)
        subscriber.on_past(past(taken[-1], taken[-1], 1000), 0.2)  # brings nothing, but what is held moves up
    assert list(range(1, bound + 2)) == taken


def test_an_answer_overtaken_by_live_records_is_old_not_short() -> None:
    """A late answer with a smaller last seq is no sign of a lost journal."""
    subscriber = contacted()
    subscriber.poll(IDLE_S, ROOM)
    subscriber.on_broadcast(live(4, 5), IDLE_S)
    subscriber.on_past(past(3, 3, 3), IDLE_S)

    assert [4, 5] == seqs(subscriber.take(ROOM))


@pytest.mark.req("X2")
@pytest.mark.parametrize(("journal", "last"), [("other", 9), ("j", 2)])
def test_another_journal_is_never_followed(journal: str, last: int) -> None:
    """Another id, or fewer records than were received: an error that names both, and nothing moves."""
    subscriber = contacted()
    subscriber.poll(IDLE_S, ROOM)
    with pytest.raises(JournalReplaced, match="broker") as caught:
        subscriber.on_past(past(3, 3, last, journal=journal), IDLE_S)

    assert (caught.value.expected, caught.value.found, caught.value.cursor) == ("j", journal, 3)
    assert (subscriber.journal, subscriber.position) == ("j", 3)


@pytest.mark.req("X2")
def test_lost_history_is_never_skipped() -> None:
    """When the next record is no longer kept, the consumer stops and says so."""
    subscriber = contacted()
    subscriber.poll(IDLE_S, ROOM)
    with pytest.raises(HistoryLost, match="record 4 comes next, the oldest one kept is 6"):
        subscriber.on_past(past(5, 9, 9, first=6), IDLE_S)

    assert subscriber.take(ROOM) == ()


@pytest.mark.req("S12")
def test_a_newcomer_begins_with_the_oldest_record_kept() -> None:
    """Who has no cursor has lost nothing: a worker can be added to a tree that has run for months."""
    subscriber = Subscriber("broker", journal=None, after=0)
    subscriber.poll(0.0, ROOM)
    subscriber.on_past(past(0, 0, 7, first=6), 0.1)

    assert (1, 5) == subscriber.passed_over
    assert subscriber.poll(0.1, ROOM) == Fetch(after=5, limit=500)
    subscriber.on_past(past(5, 7, 7, first=6), 0.2)
    assert [6, 7] == seqs(subscriber.take(ROOM))
    subscriber.poll(IDLE_S + 1, ROOM)
    with pytest.raises(HistoryLost):
        subscriber.on_past(past(7, 7, 12, first=10), IDLE_S + 1)


def test_pruning_what_was_received_is_no_loss() -> None:
    """A producer that keeps nothing is fine as long as everything was received."""
    subscriber = contacted()
    subscriber.poll(IDLE_S, ROOM)
    subscriber.on_past(past(3, 3, 3, first=4), IDLE_S)

    assert subscriber.caught_up


def test_a_broadcast_of_another_journal_raises_only_a_question() -> None:
    """A stray word of an old or new producer is checked with the past, not believed."""
    subscriber = contacted()
    subscriber.on_broadcast(live(4, journal="other"), 2.0)

    assert subscriber.take(ROOM) == ()
    assert Fetch(after=3) == subscriber.poll(2.0, ROOM)


def test_a_new_life_of_the_producer_is_asked_at_once() -> None:
    """Whoever was asked is gone, and the question with it: no waiting for an answer that cannot come."""
    subscriber = contacted(3)
    subscriber.on_past(msgspec.structs.replace(past(3, 3, 3), life="first"), 1.0)
    assert subscriber.poll(1.0 + IDLE_S, ROOM) is not None
    assert subscriber.poll(1.1 + IDLE_S, ROOM) is None

    subscriber.on_broadcast(Tip("j", 3, "second"), 1.2 + IDLE_S)
    assert Fetch(after=3) == subscriber.poll(1.2 + IDLE_S, ROOM)
    subscriber.on_past(msgspec.structs.replace(past(3, 3, 3), life="second"), 1.3 + IDLE_S)
    subscriber.on_broadcast(Tip("j", 3, "first"), 1.4 + IDLE_S)  # late words of the dead change nothing
    assert subscriber.poll(1.4 + IDLE_S, ROOM) is None


def after_power_loss(*former: tuple[str, int], after: int, last: int) -> Past:
    told = tuple(Former(journal, seq) for journal, seq in former)
    return msgspec.structs.replace(past(after, after, last, journal="j2"), former=told)


def asked(after: int, *, rewinds: bool) -> Subscriber:
    """A consumer whose cursor is about the id ``j``; it has put its first question."""
    subscriber = Subscriber("strategy", journal="j", after=after, rewinds=lambda role: rewinds)
    subscriber.poll(0.0, ROOM)
    return subscriber


def test_a_new_id_that_cost_us_nothing_is_taken_on() -> None:
    """A reboot gave the journal another id, but all that was received is still in it: on we go."""
    subscriber = asked(7, rewinds=False)
    subscriber.on_past(after_power_loss(("j0", 2), ("j", 7), after=7, last=9), 0.1)

    assert ("j2", 7) == (subscriber.journal, subscriber.position)
    subscriber.on_past(msgspec.structs.replace(past(7, 9, 9, journal="j2")), 0.2)
    assert [8, 9] == seqs(subscriber.take(ROOM))


@pytest.mark.parametrize("last", [5, 9])
def test_a_lost_tail_is_read_again_by_who_knows_records_by_their_key(last: int) -> None:
    """Back to what is left of the old numbers, also when the producer is beyond our cursor again."""
    subscriber = asked(7, rewinds=True)
    subscriber.on_past(after_power_loss(("j", 5), after=7, last=last), 0.1)

    assert ("j2", 5, 7) == (subscriber.journal, subscriber.position, subscriber.rewound_from)
    assert Fetch(after=5) == subscriber.poll(0.2, ROOM)


def test_what_was_ready_goes_with_the_lost_tail() -> None:
    """What was received and not taken is not what the producer has under these numbers now."""
    subscriber = asked(3, rewinds=True)
    subscriber.on_past(past(3, 7, 7), 0.1)
    subscriber.on_past(after_power_loss(("j", 5), after=7, last=9), 0.2)

    assert () == subscriber.take(ROOM)


@pytest.mark.parametrize("last", [5, 9])
def test_a_lost_tail_is_the_end_for_who_knows_records_by_number_only(last: int) -> None:
    """It halts; that other records have taken the numbers since does not hide it."""
    subscriber = asked(7, rewinds=False)
    with pytest.raises(JournalReplaced):
        subscriber.on_past(after_power_loss(("j", 5), after=7, last=last), 0.1)

    assert ("j", 7) == (subscriber.journal, subscriber.position)


def test_the_worst_of_several_losses_counts() -> None:
    """A second power loss may have cost more than the first one left."""
    subscriber = asked(7, rewinds=True)
    subscriber.on_past(after_power_loss(("j", 6), ("j1", 4), after=7, last=9), 0.1)

    assert 4 == subscriber.position


@pytest.mark.parametrize("rewinds", [True, False])
def test_a_stranger_is_never_read(rewinds: bool) -> None:
    """A journal that never was ours has no numbers in common with our cursor."""
    with pytest.raises(JournalReplaced):
        asked(7, rewinds=rewinds).on_past(after_power_loss(("x", 9), after=7, last=9), 0.1)


def test_what_is_left_may_have_been_forgotten() -> None:
    """Going back beyond what the producer keeps would skip records: that is told instead."""
    with pytest.raises(HistoryLost):
        asked(7, rewinds=True).on_past(
            msgspec.structs.replace(after_power_loss(("j", 5), after=7, last=9), first_seq=7), 0.1
        )


def test_late_words_of_a_life_never_met_do_not_silence_the_present_one() -> None:
    """They come after the first words of the next process, by another way: a question decides."""
    subscriber = Subscriber("feed", journal=None, after=0, latest=True)
    subscriber.poll(0.0, ROOM)
    subscriber.on_past(msgspec.structs.replace(past(0, 1, 1), life="second", with_latest=True), 0.1)
    subscriber.on_broadcast(Tip("j", 1, "first"), 0.2)

    assert subscriber.on_latest(Latest("quote/A", 0, record(1).body, "second", 1))
    assert not subscriber.on_latest(Latest("quote/A", 0, record(1).body, "first", 9))


def test_an_answer_of_an_ended_life_that_was_overtaken_is_not_believed() -> None:
    """The first process answered and died; the second one's answer came sooner."""
    subscriber = Subscriber("feed", journal=None, after=0, latest=True)
    questions = [subscriber.poll(now, ROOM) for now in (0.0, RETRY_S)]
    first, second = (
        msgspec.structs.replace(past(0, 1, 1), life=life, with_latest=True, question=fetch.question)
        for life, fetch in zip(("first", "second"), questions, strict=True)
        if fetch is not None
    )
    subscriber.on_past(second, 1.1)
    subscriber.on_past(first, 1.2)

    assert subscriber.on_latest(Latest("quote/A", 0, record(1).body, "second", 1))


@pytest.mark.parametrize(("journal", "after"), [(None, 0), ("j", 3)])
def test_events_that_are_no_longer_kept_are_passed_over(journal: str | None, after: int) -> None:
    """A notifier that comes late, or was away for weeks, works; what it missed is told, once, by numbers."""
    subscriber = Subscriber("root", journal=journal, after=after)
    subscriber.poll(0.0, ROOM)
    lost = msgspec.structs.replace(past(after, after, 12, first=11), role=EventsRole())
    subscriber.on_past(lost, 0.1)

    assert (after + 1, 10) == subscriber.passed_over
    assert subscriber.poll(0.1, ROOM) == Fetch(after=10, limit=500)
    subscriber.on_past(msgspec.structs.replace(past(10, 12, 12, first=11), role=EventsRole()), 0.2)
    assert [11, 12] == seqs(subscriber.take(ROOM))
    assert (True, None) == (subscriber.caught_up, subscriber.rewound_from)
