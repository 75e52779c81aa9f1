"""A burst of live prices that a core is slow to hear."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.messages.tick import Tick
from tests.workers.shared.test_prices import FUNDING, Listener, Teller, listening, telling, trade
from tests.workers.shared.world import World, world
from workers.shared.core import Step

BURST = tuple(map(trade, range(300)))


class Slow(Listener):
    """Takes 30 ms for each price."""

    def __init__(self, made: World) -> None:
        super().__init__()
        self._made = made

    def tick(self, source: str, tick: Tick) -> None:
        super().tick(source, tick)
        self._made.network.now += 0.03


@pytest.mark.req("S4")
def test_a_burst_is_heard_in_turns_that_are_short(tmp_path: Path) -> None:
    """Nine seconds of work are slow, not hung: the process says in between that it lives, and a record is not
    kept waiting behind all of them."""
    with world(tmp_path) as made:
        made.add("feed", telling())
        core = Slow(made)
        made.add("broker", listening(core))
        feed = made.start("feed").worker.core
        made.start("broker")
        made.run(1.0)
        core.heard.clear()
        beats = len(made.root.beats("broker"))
        assert isinstance(feed, Teller)
        feed.say(Step(outputs=(FUNDING,), ticks=BURST))
        made.run(1.0)
        made.run(0.1)  # the network brings what was said

        assert [*BURST] == [it for it in core.heard if it != "records"]
        assert core.heard.index("records") < 20
        assert len(made.root.beats("broker")) - beats >= 8
