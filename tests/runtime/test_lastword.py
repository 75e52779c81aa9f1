"""An end is told with the last word of whoever ended, but not kept back for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from supervisor.engine.events import Event, Exited, ExitStatus
from supervisor.runtime import lastword
from supervisor.runtime.lastword import LastWord
from tests.support.deadline import until

CRASHED = Exited("c", 1, ExitStatus(code=1))


class StuckReader:
    """A reader of output that hangs on its disk until told otherwise."""

    def __init__(self) -> None:
        self.then: Callable[[], None] | None = None

    def is_settled(self, child: str, incarnation: int) -> bool:
        """Never."""
        return False

    def when_settled(self, child: str, incarnation: int, then: Callable[[], None]) -> None:
        """Remember whom to call."""
        self.then = then

    def last_word(self, child: str, incarnation: int) -> str | None:
        """What it has read so far."""
        return "ValueError: no"


@pytest.mark.req("H4")
def test_end_is_told_although_the_log_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe in the place of a log file held up the reader, and so the end of every child, and the stop."""
    monkeypatch.setattr(lastword, "PATIENCE_S", 0.01)
    told: list[Event] = []
    reader = StuckReader()

    async def play() -> None:
        LastWord(reader, lambda *_: None, told.append).hear(CRASHED)
        assert told == []
        await until(lambda: told, what="the end to be told")
        assert reader.then is not None
        reader.then()  # it comes too late: nothing is told twice
        await asyncio.sleep(0)

    asyncio.run(play())

    assert [Exited("c", 1, ExitStatus(code=1), detail="ValueError: no")] == told


@pytest.mark.req("H4")
def test_reader_that_is_later_than_the_loop_is_not_disturbed() -> None:
    """A root that was ended at once was over before the log: the reader stumbled over the closed loop."""
    reader = StuckReader()

    async def play() -> None:
        LastWord(reader, lambda *_: None, lambda _: None).hear(CRASHED)

    asyncio.run(play())

    assert reader.then is not None
    reader.then()
