"""A reader that is far behind: it gets everything, in little memory, and nobody else notices."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workers.shared.puppets import Recorder, recorder, seen
from tests.workers.shared.test_housekeeping import Talker, talking
from tests.workers.shared.world import World, world

MIB = 1 << 20


def say(made: World, count: int) -> None:
    process = made.children["feed"].process
    assert process is not None
    assert isinstance(process.worker.core, Talker)
    process.worker.core.left += count
    process.due = made.network.now


def at(made: World, name: str) -> int:
    process = made.children[name].process
    assert process is not None
    cursor = process.worker.journal.cursor("feed")
    return cursor.seq if cursor else 0


@pytest.mark.req("X1", "T1")
@pytest.mark.parametrize("behind", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_reader_far_behind_catches_up_and_hurts_nobody(tmp_path: Path, behind: int) -> None:
    """Batch by batch, while the producer goes on and a quick reader has each record within moments."""
    slow, quick = Recorder(bound=1000, batch=500), Recorder(bound=3000, batch=3000)
    with world(tmp_path) as made:
        made.add("feed", talking())
        made.add("slow", recorder(slow))
        made.add("quick", recorder(quick))
        made.start("quick")
        feed = made.start("feed").worker
        say(made, behind)
        made.run_until(lambda: feed.journal.last_seq == behind)
        late = made.start("slow").worker
        made.run_until(lambda: at(made, "quick") == behind)
        tracemalloc.start()
        told = behind
        while at(made, "slow") < told:
            say(made, 10)
            told += 10
            made.run(0.02)  # whatever the late one asks for
            assert told == feed.journal.last_seq
            assert told == at(made, "quick")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert slow.most <= slow.bound
        assert peak < 32 * MIB
        assert list(range(1, told + 1)) == seen(late)


@pytest.mark.req("X1")
def test_a_flood_of_live_records_waits_outside_the_core(tmp_path: Path) -> None:
    """More is told at once than the core has room for: it is handed over as room comes, all of it."""
    reader = Recorder(bound=20, batch=1)
    with world(tmp_path) as made:
        made.add("feed", talking())
        made.add("reader", recorder(reader))
        late = made.start("reader").worker
        made.start("feed")
        made.run(1.0)
        say(made, 400)
        made.run_until(lambda: at(made, "reader") == 400)

        assert reader.most <= reader.bound
        assert list(range(1, 401)) == seen(late)


@pytest.mark.req("X2")
def test_a_core_that_goes_row_by_row_is_fetched_for_in_bites(tmp_path: Path) -> None:
    """Each row it takes makes room for one: a question for each would cost more than the row."""
    questions: list[int] = []
    with world(tmp_path) as made:
        made.add("feed", talking())
        made.add("reader", recorder(Recorder(bound=50, batch=1)))
        made.start("feed", lambda worker: replace(worker, on_asked=questions.append))
        say(made, 1000)
        made.run(1.0)
        late = made.start("reader").worker
        made.run_until(lambda: at(made, "reader") == 1000)

        assert list(range(1, 1001)) == seen(late)
        assert len(questions) < 1.5 * 1000 / 50  # its room is fifty
