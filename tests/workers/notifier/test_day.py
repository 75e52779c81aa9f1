"""A day in figures, and faults that repeat themselves."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.notifier.day import BARS, WIDTH, largest_drawdown, sparkline
from workers.notifier.repeats import (
    FIRST_PAUSE_MS,
    LONGEST_PAUSE_MS,
    MOST_KINDS,
    TOLD_AT_ONCE,
    Repeats,
    alike,
)

amounts = st.decimals(1, 10**6, places=2)


@settings(max_examples=50)
@given(st.lists(amounts, max_size=40))
def test_the_drawdown_is_the_worst_of_all_pairs(values: list[Decimal]) -> None:
    """Compared with looking at every peak and every later value."""
    pairs = [(a - b) / a for i, a in enumerate(values) for b in values[i:]]

    assert largest_drawdown(values) == max(pairs, default=Decimal(0))


@settings(max_examples=50)
@given(st.lists(amounts, max_size=2000))
def test_a_sparkline_fits_into_a_line(values: list[Decimal]) -> None:
    """From nothing to a day of minutes; the highest bar is the highest value shown."""
    line = sparkline(values)

    assert len(line) == (0 if len(values) < 2 else min(len(values), WIDTH))
    assert set(line) <= set(BARS)
    if len(values) in range(2, WIDTH) and len(set(values)) > 1:
        assert line[values.index(max(values))] == BARS[-1]
        assert line[values.index(min(values))] == BARS[0]


@pytest.mark.req("N2")
@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, FIRST_PAUSE_MS), st.integers(0, 2)), max_size=200))
def test_every_fault_is_told_or_counted_exactly_once(script: list[tuple[int, int]]) -> None:
    """Whatever comes when: told and counted together are as many as came."""
    repeats, now, told, counted = Repeats(), 0, 0, 0
    for gap, kind in script:
        now += gap
        counted += sum(count for count, _, _ in repeats.take_due(now))
        told += repeats.tells(f"kind {kind}", "text", now)
    for _ in range(10):
        now += LONGEST_PAUSE_MS
        counted += sum(count for count, _, _ in repeats.take_due(now))

    assert told + counted == len(script)
    assert repeats.streaks == {}


@pytest.mark.req("N2")
def test_a_flood_of_a_day_makes_a_handful_of_messages() -> None:
    """One a second: three at once, then counts at 5, 15, 35 ... minutes, every six hours in the end."""
    repeats, told, counts = Repeats(), 0, 0
    for second in range(86_400):
        counts += len(repeats.take_due(second * 1000))
        told += repeats.tells("x", "text", second * 1000)

    assert told == TOLD_AT_ONCE
    assert counts <= 10


@pytest.mark.req("N2")
def test_a_clock_that_is_set_back_silences_no_fault() -> None:
    """A host that began with a clock a year ahead: the count comes a pause after it was set right."""
    repeats, year = Repeats(), 365 * 24 * 3_600_000
    for _ in range(TOLD_AT_ONCE + 2):
        repeats.tells("x", "text", year)

    assert [] == repeats.take_due(0)
    assert FIRST_PAUSE_MS == repeats.remaining_ms(0)
    assert [2] == [count for count, _, _ in repeats.take_due(FIRST_PAUSE_MS)]


def test_there_is_an_end_to_what_is_remembered() -> None:
    """Faults that each differ cannot fill the memory."""
    repeats = Repeats()
    for number in range(MOST_KINDS + 50):
        repeats.tells(f"kind {number}", "text", number)

    assert len(repeats.streaks) == MOST_KINDS


def test_figures_do_not_make_faults_unlike() -> None:
    """A time-out after 3 s is one after 14 s."""
    assert alike("error", "feed", "no answer in 3 s") == alike("error", "feed", "no answer in 14 s")
    assert alike("error", "feed", "no answer") != alike("error", "broker", "no answer")
