"""What is told of the tree, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocol.messages.notice import SupervisionEvent
from supervisor.runtime.eventlog import EventLog
from supervisor.runtime.news import News


class LoopLikeUvloop(asyncio.SelectorEventLoop):
    """What is due already gets a handle without a time, as in uvloop."""

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> Any:
        if when <= self.time():
            return self.call_soon(callback, *args, context=context)
        return super().call_at(when, callback, *args, context=context)


def unheard(_found: object) -> None:
    raise AssertionError(_found)


@pytest.mark.req("S1")
def test_a_sentence_right_behind_ready_does_not_end_the_root_under_uvloop(tmp_path: Path) -> None:
    """*Ready* is told at once, by a handle that knows no time there; a sentence comes behind it."""
    kept = EventLog(tmp_path / "events.db", wall_ms=lambda: 1, trouble=unheard, lost=unheard)

    async def tell() -> list[str]:
        news, told = News(kept, lambda event: event), list[str]()
        news.listeners.append(lambda event: told.append(event.event))
        news.record(SupervisionEvent(event="ready", child="feed"))
        news.say("INFO", "all children are ready")
        await asyncio.sleep(0)
        return told

    with asyncio.Runner(loop_factory=LoopLikeUvloop) as runner:
        assert ["ready"] == runner.run(tell())
    kept.close()
