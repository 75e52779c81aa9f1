"""A process that repeats itself does not drown the terminal, and nothing is hidden without a count."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.host.console import Console
from supervisor.host.throttle import BURST, WINDOW_S, Throttle


@given(st.lists(st.floats(0.0, 5.0), max_size=200))
def test_every_line_is_shown_or_counted_and_no_second_shows_too_many(gaps: list[float]) -> None:
    """Shown plus told as left out is all, but for those left out since the last one shown."""
    throttle, now, shown, told, pending = Throttle(), 0.0, 0, 0, 0
    times: list[float] = []
    for gap in gaps:
        now += gap
        skipped = throttle.admit("feed", "candle closed", now)
        if skipped is None:
            pending += 1
            continue
        shown, told, pending = shown + 1, told + skipped, pending - skipped
        times.append(now)

    assert shown + told + pending == len(gaps)
    assert all(sum(1 for other in times if at <= other < at + WINDOW_S) <= 2 * BURST for at in times)


@pytest.mark.req("H4")
def test_terminal_counts_what_it_leaves_out_and_never_leaves_out_a_warning() -> None:
    """Ten alike in one second: two are shown; the next second says how many were not; warnings all come."""
    stream, clock = io.StringIO(), [0.0]
    console = Console(stream, colour=False, now=lambda: clock[0])
    for level in ("INFO", "WARNING", "DEBUG"):
        for _ in range(10):
            console.show({"time": "", "level": level, "process": "feed", "message": f"a {level} line"})
    clock[0] = 1.5
    console.show({"time": "", "level": "INFO", "process": "feed", "message": "a INFO line"})
    console.close()

    text = stream.getvalue()
    assert text.count("a INFO line") == 3
    assert "a INFO line (+8 like this)" in text
    assert text.count("a WARNING line") == 10
    assert "a DEBUG line" not in text
