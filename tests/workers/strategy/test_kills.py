"""Kills between any two commits change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.trading import Through
from tests.workers.strategy.market import Taken, account, candles, drive, made
from tests.workers.strategy.test_core import Listening, fill
from workers.strategy.core import StrategyCore

PRICES = st.lists(st.integers(90, 110), min_size=1, max_size=60)


@pytest.mark.req("T1", "T7")
@settings(max_examples=60)
@given(PRICES, st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans()), max_size=40))
def test_kills_change_nothing(closes: list[int], plan: list[tuple[int, bool, bool]]) -> None:
    """In any batches, killed before or after any commit, decisions and counters are those of a quiet run."""
    records = candles(closes)
    whole_core = made()
    whole = drive(whole_core, records)
    core, taken = made(), Taken()
    for size, killed_before, killed_after in plan:
        done = taken.cursors.get("feed", 0)
        core.receive("feed", records[done : done + size])
        step = core.step()
        if step is not None and not killed_before:
            taken.add(step)
        if killed_before or killed_after or step is None:
            core = made(stored=taken.state)
    rest = made(stored=taken.state)
    drive(rest, records[taken.cursors.get("feed", 0) :], taken)

    assert whole.decisions == taken.decisions
    assert whole_core.counters() == rest.counters()
    assert Through(len(records), end=True) == taken.outputs[-1]


@settings(max_examples=40)
@given(PRICES, st.lists(st.integers(1, 5), max_size=80))
def test_kills_change_nothing_for_listeners(closes: list[int], batches: list[int]) -> None:
    """The same holds with two inputs: every fill and every row is heard once, in the same order."""
    records = candles(closes)
    books = account([m for row in range(1, len(records) + 1) for m in (fill(f"of {row}"), Through(row))])
    strategy = Listening()
    core, cursors, state = made(strategy), {"feed": 0, "broker": 0}, None
    for number, size in enumerate([*batches, *[len(books)] * 3]):
        source, journal = (("feed", records), ("broker", books))[number % 2]
        done = cursors[source]
        core.receive(source, journal[done : done + size])
        step = core.step()
        if step is not None:
            cursors |= dict(step.cursors)
            state = step.state
        strategy = Listening()
        core = made(strategy, stored=state)
    while (step := _feed_both(core, records, books, cursors)) is not None:
        cursors |= dict(step.cursors)

    rows = len(closes)
    assert {"feed": rows + 1, "broker": 2 * rows + 2} == cursors
    assert [f"of {row}" for row in range(1, rows + 2)] == [h for h in strategy.heard if h.startswith("of")]
    assert [f"row {row}" for row in range(3, rows + 1)] == [h for h in strategy.heard if h.startswith("row")]


def _feed_both(core: StrategyCore, records: list[Any], books: list[Any], cursors: dict[str, int]) -> Any:
    if cursors == {"feed": len(records), "broker": len(books)}:
        return None
    core.receive("feed", records[cursors["feed"] :])
    core.receive("broker", books[cursors["broker"] :])
    return core.step()
