"""The journal of supervision events, with a clock that the test owns."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import EVENTS
from protocol.journal import Journal, open_readonly, read_records
from protocol.messages.notice import SupervisionEvent
from protocol.messages.stream import Fetch
from protocol.retention import Policy
from supervisor.cli._history import last_events, remembered_events
from supervisor.cli._story import tell_story
from supervisor.runtime.eventkeeping import TABLE, EventKeeper, remembering
from supervisor.runtime.eventlog import EventLog


class Clock:
    """Wall time in milliseconds; may go backwards, as real ones do."""

    def __init__(self) -> None:
        self.ms = 1_000

    def __call__(self) -> int:
        return self.ms


def kept(path: Path) -> list[tuple[int, str]]:
    """What is on disk: the time and the name of each event, oldest first."""
    connection = open_readonly(path)
    try:
        records = read_records(connection, after=0, limit=1000)
    finally:
        connection.close()
    return [(record.at_ms, EVENTS.decode(record.body).event) for record in records]


@pytest.mark.req("S11")
def test_clock_that_goes_backwards_neither_loses_nor_doubles_an_event(state_dir: Path) -> None:
    """Events of one flush with times 1000, 900, 1000: three events, in the order in which they happened."""
    clock, path = Clock(), state_dir / "events.db"
    log = EventLog(path, wall_ms=clock, trouble=lambda _: None, lost=lambda _: None)
    for ms, name in ((1000, "first"), (900, "second"), (1000, "third")):
        clock.ms = ms
        log.add(SupervisionEvent(event=name))
    log.flush()
    log.close()

    assert kept(path) == [(1000, "first"), (900, "second"), (1000, "third")]


@pytest.mark.req("S11")
def test_file_that_was_taken_away_is_told_once(state_dir: Path) -> None:
    """An unlinked journal takes events and shows none: somebody must hear of it."""
    path, told = state_dir / "events.db", list[Path]()
    log = EventLog(path, wall_ms=Clock(), trouble=lambda _: None, lost=told.append)
    log.announce()
    assert told == []
    path.unlink()
    log.announce()
    log.announce()
    log.close()

    assert told == [path]


@pytest.mark.req("S11")
def test_restarts_are_counted_over_the_lives_of_the_root(state_dir: Path) -> None:
    """restarts_total survives the root."""
    path = state_dir / "events.db"
    for _ in range(2):
        log = EventLog(path, wall_ms=Clock(), trouble=lambda _: None, lost=lambda _: None)
        log.add(SupervisionEvent(event="restarting", child="feed"))
        log.close()
    log = EventLog(path, wall_ms=Clock(), trouble=lambda _: None, lost=lambda _: None)
    total = log.restarts_total("feed")
    log.close()

    assert total == 2


class Steady:
    """Monotonic time, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


LONG = "x" * 1000


def crash(log: EventLog, child: str, number: int) -> None:
    """Tell of one life and its end."""
    facts = {"reason": "crashed", "uptime": 1.0, "code": 1, "signal": None, "detail": f"{number} {LONG}"}
    log.add(SupervisionEvent(event="spawned", child=child, incarnation=number, pid=number))
    log.add(SupervisionEvent(event="exited", child=child, incarnation=number, pid=number, facts=facts))
    log.add(SupervisionEvent(event="restarting", child=child, facts={"restarts_in_window": 1}))


@pytest.mark.req("S11", "X1")
def test_a_child_that_fails_for_ever_does_not_fill_the_disk(state_dir: Path) -> None:
    """Beyond the size the oldest events go; how often and how each child ended last is known for good."""
    path, clock = state_dir / "events.db", Steady()
    policy = Policy(keep_s=1e9, max_bytes=300_000, patience_s=3600.0, keep_full_s=120.0)
    log = EventLog(
        path, wall_ms=Clock(), trouble=lambda _: None, lost=lambda _: None, clock=clock, policy=policy
    )
    log.add(SupervisionEvent(event="root_started", pid=1))
    crash(log, "old", 1)
    sizes = []
    for number in range(2000):
        crash(log, "feed", number)
        log.flush()
        log.announce()
        clock.now += 1.0
        sizes.append(path.stat().st_size)
    log.close()
    again = EventLog(path, wall_ms=Clock(), trouble=lambda _: None, lost=lambda _: None)
    totals = again.restarts_total("feed"), again.restarts_total("old")
    again.close()
    story = tell_story("old", last_events(path, 10**6), root_runs=True, remembered=remembered_events(path))

    assert (2000, 1) == totals
    assert max(sizes) < 1_500_000
    assert len(last_events(path, 10**6)) < 2000
    assert story.last_exit is not None
    assert story.last_exit.detail == f"1 {LONG}"
    assert (story.standing, story.pattern, story.lost_with_root) == ("restarting", None, False)


LIVES = st.lists(
    st.sampled_from(
        [
            ("spawned", "feed"),
            ("exited", "feed"),
            ("restarting", "feed"),
            ("stop_asked", "feed"),
            ("spawned", "other"),
            ("exited", "other"),
        ]
    ),
    min_size=1,
    max_size=30,
)


@pytest.mark.req("S11", "H1")
@given(told=LIVES, cut=st.integers(0, 30))
@settings(max_examples=30)
def test_why_knows_the_last_end_wherever_the_journal_was_cut(told: list[tuple[str, str]], cut: int) -> None:
    """The last exit, the last restart and the last word about a child: as if nothing had been forgotten."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.db"
        journal = Journal.open(path, stream="root", tables=(TABLE,))
        facts = {"reason": "crashed", "uptime": 1.0}
        for event, child in told:
            body = EVENTS.encode(SupervisionEvent(event=event, child=child, facts=facts))
            journal.commit(bodies=[body], at_ms=1)
        whole = tell_story("feed", last_events(path, 10**6), root_runs=True)
        journal.commit(statements=remembering(journal.read(0, cut)))
        journal.prune(cut + 1)
        journal.close()
        left = tell_story(
            "feed", last_events(path, 10**6), root_runs=True, remembered=remembered_events(path)
        )

    assert (whole.last_exit, whole.restarting) == (left.last_exit, left.restarting)
    assert (whole.standing, whole.lost_with_root) == (left.standing, left.lost_with_root)


@pytest.mark.req("S11")
def test_a_reader_that_is_behind_holds_events_back(state_dir: Path) -> None:
    """What the notifier has yet to tell stays, however old; what it is done with goes after its time."""
    journal, policy = (
        Journal.open(state_dir / "events.db", stream="root", tables=(TABLE,)),
        Policy(keep_s=600.0),
    )
    journal.commit(bodies=[EVENTS.encode(SupervisionEvent(event="ready", child="a"))] * 100, at_ms=1)
    keeper = EventKeeper(journal, policy, now=0.0)
    keeper.asked(Fetch(after=40, reader="notifier", done=40, journal=journal.id), now=1.0, at_ms=1)
    keeper.turn(599.0)
    assert journal.first_seq == 1
    keeper.turn(700.0)
    assert journal.first_seq == 41
    journal.close()


@pytest.mark.req("S11", "H1")
def test_who_ended_it_is_not_mixed_up_with_what_was_asked_of_an_earlier_life(state_dir: Path) -> None:
    """The start of the life that ended last is remembered too, beside the start of the present one."""
    path = state_dir / "events.db"
    journal = Journal.open(path, stream="root", tables=(TABLE,))
    for event in ("stop_asked", "spawned", "exited", "spawned"):
        facts = {"reason": "stopped", "uptime": 1.0} if event == "exited" else {}
        journal.commit(
            bodies=[EVENTS.encode(SupervisionEvent(event=event, child="feed", facts=facts))], at_ms=1
        )
    whole = tell_story("feed", last_events(path, 10**6), root_runs=True)
    journal.commit(statements=remembering(journal.read(0, 4)))
    journal.prune(5)
    journal.close()

    assert tell_story("feed", [], root_runs=True, remembered=remembered_events(path)) == whole
