"""Nothing grows: descriptors, threads, processes; and what happens before descriptors run out."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
from pathlib import Path

import pytest

from supervisor.engine.events import Exited, SpawnFailed
from supervisor.host import descriptors
from supervisor.host.proctable import ProcessTable
from tests.host.rig import Rig, command, puppet, with_rig
from tests.support.deadline import until


def held() -> tuple[int, int, int]:
    """How many descriptors, threads and children this process has."""
    return (
        len(list(Path("/proc/self/fd").iterdir())),
        threading.active_count(),
        len(ProcessTable().children(os.getpid())),
    )


@pytest.mark.req("S7")
@with_rig
async def test_fifty_at_once(rig: Rig) -> None:
    """Fifty starts and fifty kills at once are all answered, each once."""
    for number in range(50):
        rig.host.spawn(puppet(f"a{number}", 1, "runs", deaf=True))
    await until(lambda: len(rig.host.pids()) == 50, what="fifty children")

    for number in range(50):
        rig.host.kill(f"a{number}", 1)
    await until(lambda: len(rig.heard) == 100, what="fifty ends")

    assert {event.child for event in rig.heard[50:]} == {f"a{number}" for number in range(50)}
    assert all(isinstance(event, Exited) for event in rig.heard[50:])


@pytest.mark.req("S7")
@pytest.mark.parametrize(
    "birth", [puppet("a", 1, "runs"), command("a", 1, "sleep", "1000")], ids=["worker", "command"]
)
@with_rig
async def test_few_descriptors_left(rig: Rig, birth: object) -> None:
    """With few descriptors free a start is refused with a sentence, and the forkserver survives it."""
    assert isinstance(birth, type(puppet("a", 1, "runs")))
    running = await rig.runs(puppet("b", 1, "runs"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = held()[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 32, limits[1]))
    try:
        rig.host.spawn(birth)
        failed = await rig.event(SpawnFailed, "a")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert "file descriptors" in failed.detail
    assert not failed.permanent
    await rig.runs(puppet("a", 2, "runs"))
    assert rig.host.pids()["b"] == running


@pytest.mark.req("S7")
def test_capacity_beyond_the_limit() -> None:
    """More children than descriptors is an error at open, with the number that is wanted."""
    with pytest.raises(OSError, match="need 4000128 file descriptors"):
        descriptors.check_capacity(1_000_000)


@pytest.mark.req("S7")
def test_host_that_cannot_open_leaves_nothing() -> None:
    """A host whose open failed can be closed, and holds nothing then."""

    async def play() -> None:
        rig = Rig(capacity=1_000_000)
        with pytest.raises(OSError, match="file descriptors"):
            await rig.host.open()
        await rig.host.close()

    asyncio.run(play())
