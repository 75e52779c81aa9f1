"""The journal of supervision events, with a clock that the test owns."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.codec import EVENTS
from protocol.journal import open_readonly, read_records
from protocol.messages.notice import SupervisionEvent
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
