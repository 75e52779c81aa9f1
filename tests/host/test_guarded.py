"""Tasks that nobody waits for."""

from __future__ import annotations

import asyncio

import pytest

from supervisor.host.guarded import guarded
from tests.host.rig import Rig, command, with_rig
from tests.support.deadline import until


@pytest.mark.req("S7")
def test_defect_is_told_and_a_cancellation_is_none() -> None:
    """What a task ends with is heard in the loop's next turn; a cancelled one has nothing to tell."""
    heard: list[BaseException] = []

    async def fail() -> None:
        raise RuntimeError("defect")

    async def play() -> None:
        loop = asyncio.get_running_loop()
        failing = guarded(loop, fail(), name="fails", broken=heard.append)
        cancelled = guarded(loop, asyncio.sleep(1000), name="cancelled", broken=heard.append)
        cancelled.cancel()
        await asyncio.wait((failing, cancelled))

    asyncio.run(play())

    assert ["defect"] == [str(defect) for defect in heard]


@pytest.mark.req("S7")
@with_rig
async def test_defect_in_the_life_of_a_child_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the host's task of a child was only logged, and the child was never heard of again."""

    def bury(*_: object) -> None:
        raise RuntimeError("defect in the burial")

    monkeypatch.setattr("supervisor.host.orphans.Orphans.bury", bury)
    rig.host.spawn(command("a", 1, "true"))

    (defect,) = await until(lambda: rig.defects, what="news of the defect")
    assert str(defect) == "defect in the burial"
