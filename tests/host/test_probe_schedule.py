"""When probes are tried and what their failures mean, without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.engine.spec import Heartbeat
from supervisor.host.probe_schedule import FIRST_PAUSE, LONGEST_PAUSE, Pulse, ready_pause

SECONDS = st.floats(0, 1e6)


@pytest.mark.req("S3")
@given(st.integers(1, 10**9))
def test_readiness_is_tried_at_a_bounded_pace(failures: int) -> None:
    """Pauses grow from a tenth of a second to a second, however long it takes."""
    assert FIRST_PAUSE <= ready_pause(failures) <= ready_pause(failures + 1) <= LONGEST_PAUSE


@pytest.mark.req("S4")
@given(st.lists(st.booleans(), max_size=30), st.integers(1, 5))
def test_only_failures_in_a_row_make_it_hung(answers: list[bool], misses: int) -> None:
    """Hung exactly when the last ``misses`` attempts failed."""
    pulse, now = Pulse(Heartbeat(interval=1.0, misses=misses), 0.0), 0.0
    for good in answers:
        now += 1.0
        pulse = pulse.succeeded(now) if good else pulse.failed(now, now)

    last = answers[-misses:]
    assert pulse.hung == (len(last) == misses and not any(last))


@pytest.mark.req("S4")
def test_a_suspended_root_blames_nobody() -> None:
    """An attempt that ended long after its limit shows that the root slept: it does not count."""
    pulse = Pulse(Heartbeat(interval=1.0, misses=1), 0.0)

    assert not pulse.failed(10.0, 3600.0).hung
    assert pulse.failed(10.0, 11.0).hung


@pytest.mark.req("S4")
@given(interval=st.floats(0.01, 1000), began=SECONDS, took=st.floats(0, 20))
def test_attempts_are_apart_and_never_overlap(interval: float, began: float, took: float) -> None:
    """The next one begins an interval after this one began, but never before it has ended."""
    pulse = Pulse(Heartbeat(interval=interval), 0.0)
    due = pulse.next_at(began, began + took)

    assert due >= began + interval
    assert due >= began + took
    assert 1.0 <= pulse.limit <= 10.0
