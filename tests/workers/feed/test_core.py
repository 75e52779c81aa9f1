"""The feed's core: which rows are out, when."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.messages.market import OnEnd
from tests.workers.feed.candles import MINUTE, recording, row, rows
from tests.workers.feed.test_recording import made
from workers.feed.config import FeedConfig
from workers.feed.core import FeedCore
from workers.feed.recording import Recording
from workers.shared.core import Step

EVENING = 10.0


def core(found: Recording, speed: float | Literal["max"], restored: bytes | None = None) -> FeedCore:
    return FeedCore(found, speed, restored)


def at(feed: FeedCore, now: float) -> Step | None:
    feed.advance(now, 0)
    return feed.step()


@pytest.mark.req("F1")
def test_real_time_releases_a_minute_a_minute() -> None:
    """At speed 1 the first candle closes one minute after the start, and the next a minute later."""
    feed = core(made([0, 1, 2]), 1)
    released = []
    for now in (0.0, 59.9, 60.0, 119.9, 120.0):
        at(feed, EVENING + now)
        released.append(feed.source.last_seq)

    assert [0, 0, 1, 1, 2] == released


@pytest.mark.req("F1")
def test_holes_are_quiet_minutes() -> None:
    """Pacing follows the time of the data: a hole of three minutes is silence, not a shift."""
    feed = core(made([0, 4]), 60)
    at(feed, 0.0)
    at(feed, 1.0)

    assert 1 == feed.source.last_seq
    assert 5.0 == feed.deadline
    at(feed, 5.0)
    assert 3 == feed.source.last_seq  # the last candle and the end


@pytest.mark.req("F1")
def test_max_releases_everything_at_birth() -> None:
    """With speed max the readers pull; nothing waits for a clock."""
    feed = core(made([0, 1]), "max")

    assert 3 == feed.source.last_seq
    assert [1, 2, 3] == [record.seq for record in feed.source.read(0, 10)]


def test_max_looping_has_no_end_to_reach() -> None:
    """An endless recording at full speed is always ahead of its readers."""
    feed = core(made([0, 1], "loop"), "max")

    assert 10 == len(feed.source.read(1_000_000, 10))


@given(
    speed=st.sampled_from([0.5, 60.0, 600.0, 1e9]),
    on_end=st.sampled_from(["loop", "idle"]),
    lives=st.lists(st.lists(st.floats(0, 5), max_size=8), min_size=1, max_size=5),
)
def test_restart_goes_on_from_the_last_row(speed: float, on_end: OnEnd, lives: list[list[float]]) -> None:
    """Over any number of restarts the released rows only grow, and a pause releases nothing by itself."""
    found = made([0, 1, 2, 5, 6], on_end)
    stored, now, before = None, 0.0, 0
    for pauses in lives:
        feed = core(found, speed, stored)
        assert before == feed.source.last_seq
        now += 1e6
        at(feed, now)
        assert before == feed.source.last_seq
        for pause in pauses:
            now += pause
            step = at(feed, now)
            stored = stored if step is None else step.state
            assert feed.source.last_seq >= before
            before = feed.source.last_seq


@given(speed=st.floats(0.001, 1e9), start=st.floats(0, 1e7), on_end=st.sampled_from(["loop", "idle"]))
def test_each_deadline_brings_a_row(speed: float, start: float, on_end: OnEnd) -> None:
    """Whoever sleeps until the deadline finds something to do then: no spinning on rounding errors."""
    feed = core(made([0, 1, 2, 5, 6], on_end), speed)
    at(feed, start)
    now = start
    for _ in range(20):
        deadline = feed.deadline
        if deadline is None:
            break
        now = max(now, deadline)
        assert at(feed, now) is not None


def test_a_reader_that_is_ahead_has_seen_those_rows() -> None:
    """When the feed's own database is lost, a reader's question tells how far it had been."""
    feed = core(made([0, 1, 2, 3]), 60)
    at(feed, 0.0)
    feed.asked(3)
    at(feed, 0.5)

    assert 3 == feed.source.last_seq
    at(feed, 1.5)
    assert 5 == feed.source.last_seq


def test_another_recording_starts_anew(tmp_path: Path) -> None:
    """The stored position belongs to one recording."""
    old = core(made([0, 1, 2]), 60)
    at(old, 0.0)
    step = at(old, 2.0)
    assert step is not None

    assert 0 == core(recording(tmp_path, rows([5, 6])), 60, step.state).source.last_seq


def test_human_speed_logs_each_candle() -> None:
    """Up to some tens a second each candle has its line."""
    feed = core(made([0, 1, 2]), 600)
    at(feed, 0.0)
    step = at(feed, 0.21)
    assert step is not None

    assert [("candle closed", 1), ("candle closed", 2)] == [(x.message, x.facts["seq"]) for x in step.logs]


@pytest.mark.parametrize("speed", [60_000.0, "max"])
def test_higher_speed_logs_a_summary_a_second(speed: float | Literal["max"]) -> None:
    """Beyond that, one line a second says how many."""
    feed = core(made(list(range(5000)), "loop"), speed)
    lines = []
    for tick in range(31):
        feed.source.read(100 * tick, 100)
        step = at(feed, tick / 10)
        lines += list(step.logs) if step else []

    assert 3 == len(lines)
    assert feed.counters()["candles"] == sum(line.facts["count"] for line in lines)


@pytest.mark.req("T7")
def test_counters_survive_a_restart(tmp_path: Path) -> None:
    """The lifetime number of candles, the last one, and what was skipped."""
    found = recording(tmp_path, [row(0), "bad", row(1), row(2)], FeedConfig(file="x", on_end="idle"))
    feed = core(found, 60)
    at(feed, 0.0)
    step = at(feed, 2.5)
    assert step is not None
    reborn = core(found, 60, step.state)

    assert feed.counters() == reborn.counters()
    assert (2, 1) == (reborn.counters()["candles"], reborn.counters()["rejected"])
    assert found.close_ms(2) == reborn.condition().last_data_ms
    assert MINUTE == found.close_ms(2) - found.close_ms(1)
