"""The waiting helpers: they return what was awaited, or say what was not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.deadline import NeverHappened, until, wait_until


def answers() -> Iterator[str]:
    yield from ["", "", "here"]


def test_wait_until_returns_the_first_true_value() -> None:
    """What the predicate found is given back, so that nobody asks twice."""
    seen = answers()
    assert wait_until(lambda: next(seen)) == "here"


def test_wait_until_says_what_was_awaited_and_what_was_seen_last() -> None:
    """The failure can be understood without a debugger."""
    with pytest.raises(
        NeverHappened, match=r"waited 0\.02 s for the feed to be ready; last seen: 'starting'"
    ):
        wait_until(lambda: False, 0.02, "the feed to be ready", state=lambda: "starting")


def test_wait_until_passes_on_what_the_predicate_raises() -> None:
    """A broken predicate is a failure now, not at the deadline."""
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0)


def test_until_lets_the_loop_run_and_takes_coroutines() -> None:
    """The awaited thing may happen on the same loop, and the predicate may itself await."""

    async def scenario() -> str:
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        assert await until(event.is_set)
        seen = answers()

        async def ask() -> str:
            await asyncio.sleep(0)
            return next(seen)

        return await until(ask, what="an answer")

    assert asyncio.run(scenario()) == "here"


def test_until_says_what_was_awaited() -> None:
    """The asynchronous twin fails in the same words."""
    with pytest.raises(NeverHappened, match="for a fill; last seen: 0"):
        asyncio.run(until(lambda: 0, 0.02, "a fill"))
