"""Steps that wait for the disk become one transaction that comes to the same."""

from __future__ import annotations

import pytest

from protocol.messages.trading import Through
from workers.shared.core import LogLine, Step, Write
from workers.shared.held import HELD_MOST, Held, waits_for_the_disk


def goes_on(*, available: bool) -> bool:
    """Be a worker that goes on in memory."""
    return True


def step(number: int, *, state: bytes | None = None, at_ms: int = 0, **cursors: int) -> Step:
    """Return a step that can be told from others."""
    return Step(
        outputs=(Through(number),),
        at_ms=at_ms,
        cursors=cursors,
        state=state,
        writes=(Write(f"statement {number}"),),
        logs=(LogLine("INFO", f"line {number}"),),
    )


@pytest.mark.req("B5")
def test_two_steps_in_one_are_in_their_order_and_the_newer_one_stands() -> None:
    """Records, statements and lines one after the other; the cursor and the state of the second."""
    held = Held(goes_on)
    held.begin(step(1, state=b"old", at_ms=5, feed=1, strategy=7), 1.0)
    held.add(step(2, state=b"new", at_ms=6, feed=2))

    assert held.step == Step(
        outputs=(Through(1), Through(2)),
        at_ms=6,
        cursors={"feed": 2, "strategy": 7},
        state=b"new",
        writes=(Write("statement 1"), Write("statement 2")),
        logs=(LogLine("INFO", "line 1"), LogLine("INFO", "line 2")),
    )


@pytest.mark.req("B5")
def test_what_a_newer_step_leaves_alone_is_that_of_the_older_one() -> None:
    """A state or a time that is not given is not taken away."""
    held = Held(goes_on)
    held.begin(step(1, state=b"old", at_ms=5), 1.0)
    held.add(step(2))

    assert held.step is not None
    assert (b"old", 5) == (held.step.state, held.step.at_ms)


@pytest.mark.req("B5")
@pytest.mark.parametrize(("most", "blocks"), [(HELD_MOST - 1, False), (HELD_MOST, True)])
def test_what_waits_in_memory_is_bounded(most: int, blocks: bool) -> None:
    """With more the core has to wait too."""
    held = Held(goes_on)
    held.begin(Step(writes=(Write("statement"),) * most), 1.0)

    assert blocks == held.blocks


@pytest.mark.req("B5")
def test_a_worker_that_waits_is_blocked_until_it_is_written() -> None:
    """And by nothing else."""
    held = Held(waits_for_the_disk)
    blocks = [held.blocks]
    held.begin(step(1), 1.0)
    blocks.append(held.blocks)
    held.end()

    assert [False, True, False] == [*blocks, held.blocks]
