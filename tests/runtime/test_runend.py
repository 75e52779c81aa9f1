"""When a run is over: one worker has finished its work, or all that run its program have."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from protocol.messages.control import Done
from supervisor.runtime.eventlog import EventLog
from supervisor.runtime.news import News
from supervisor.runtime.runend import RunEnd

OVER = Done("shutdown")
MEMBERS = frozenset({"books", "more-books", "strategy"})


def stops(folder: Path, told: Sequence[tuple[str, Done]], *, peers: frozenset[str]) -> list[tuple[int, str]]:
    """Tell who has finished, one after the other; how the run was stopped after each."""

    def unheard(found: object) -> None:
        raise AssertionError(found)

    kept = EventLog(folder / "events.db", wall_ms=lambda: 1, trouble=unheard, lost=unheard)
    stopped: list[tuple[int, str]] = []

    async def run() -> None:
        end = RunEnd(
            None,
            MEMBERS,
            news=News(kept, lambda event: event),
            stop=lambda code, by: stopped.append((code, by)),
            peers=lambda child: peers - {child},
            stopping=lambda: bool(stopped),
        )
        for child, done in told:
            end.done(child, done)

    asyncio.run(run())
    kept.close()
    return stopped


@pytest.mark.req("X2")
@pytest.mark.parametrize(
    ("told", "stopped"),
    [
        ((("books", OVER),), []),
        ((("books", OVER), ("books", OVER)), []),
        ((("books", OVER), ("more-books", OVER)), [(0, "more-books")]),
        ((("more-books", Done("idle")), ("books", OVER)), [(0, "books")]),
        ((("books", Done("shutdown", 3)), ("more-books", Done("idle"))), [(3, "more-books")]),
        ((("books", Done("idle")), ("more-books", Done("idle"))), []),
    ],
)
def test_two_recordings_end_the_run_when_both_are_over(
    tmp_path: Path, told: Sequence[tuple[str, Done]], stopped: list[tuple[int, str]]
) -> None:
    """The shorter one ended it, and cut the books of the other off at a row that was a matter of speed."""
    assert stops(tmp_path, told, peers=frozenset({"books", "more-books"})) == stopped


@pytest.mark.parametrize("child", ["books", "stranger"])
def test_one_alone_ends_the_run(tmp_path: Path, child: str) -> None:
    """Also one that is no member of a run that ends by itself, whoever else runs its program."""
    peers = frozenset() if child == "books" else frozenset({"books", "more-books"})
    assert stops(tmp_path, [(child, OVER)], peers=peers) == [(0, child)]
