"""Commands that the root runs beside a child, as real processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from supervisor.engine.events import ExitStatus
from supervisor.host.errors import StartFailed
from tests.host.rig import Rig, command, is_alive, with_rig
from tests.support.deadline import until

LONG_S = 10.0


@pytest.mark.req("S10")
@with_rig
async def test_an_errand_runs_as_the_child_does(rig: Rig, tmp_path: Path) -> None:
    """Directory, environment and marks are the child's; nothing is told to the root but the exit."""
    script = 'test "$EXTRA" = yes && echo "$SUPERVISOR_CHILD" > word && exit 4'
    birth = command("c", 3, "sh", "-c", script, directory=str(tmp_path), environment={"EXTRA": "yes"})

    assert await rig.host.run(birth, LONG_S) == ExitStatus(code=4)
    assert (tmp_path / "word").read_text() == "c\n"
    assert rig.heard == []


@pytest.mark.req("S10")
@with_rig
async def test_an_errand_that_takes_too_long_is_killed_with_its_group(rig: Rig, tmp_path: Path) -> None:
    """When its time is over, nothing of it is left, not even what ignores TERM."""
    script = "trap '' TERM; sleep 60 & echo $! $$ > pids; wait"
    birth = command("c", 1, "sh", "-c", script, directory=str(tmp_path))
    with pytest.raises(TimeoutError):
        await rig.host.run(birth, 0.5)

    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    await until(lambda: not any(map(is_alive, pids)), what="both processes to be gone")


@pytest.mark.req("S10")
@with_rig
async def test_an_errand_nobody_waits_for_is_killed(rig: Rig, tmp_path: Path) -> None:
    """Cancelled at any moment, before its process is there as well as after."""
    birth = command("c", 1, "sh", "-c", "echo $$ >> pids; exec sleep 60", directory=str(tmp_path))
    pids = tmp_path / "pids"
    for begun in (False, True):
        errand = asyncio.ensure_future(rig.host.run(birth, LONG_S))
        await asyncio.sleep(0)
        if begun:
            await until(lambda: pids.exists() and pids.read_text().strip(), what="its pid")
        errand.cancel()
        await asyncio.wait({errand})
    await until(lambda: not rig.host._errands._under_way, what="all errands to end")

    assert not any(is_alive(int(pid)) for pid in pids.read_text().split())


@pytest.mark.req("S10")
@with_rig
async def test_an_errand_that_cannot_start_says_why(rig: Rig) -> None:
    """The sentence is that of any command that cannot be started."""
    with pytest.raises(StartFailed, match="command not found"):
        await rig.host.run(command("c", 1, "./nowhere"), LONG_S)


@pytest.mark.req("S10")
@with_rig
async def test_closing_ends_errands(rig: Rig, tmp_path: Path) -> None:
    """A root that ends waits for no probe, and leaves none."""
    birth = command("c", 1, "sh", "-c", "echo $$ > pid; exec sleep 60", directory=str(tmp_path))
    errand = asyncio.ensure_future(rig.host.run(birth, 60))
    pid = tmp_path / "pid"
    await until(lambda: pid.exists() and pid.read_text().strip(), what="its pid")
    await rig.host.close()

    assert (await errand).signal == "SIGKILL"
    assert not is_alive(int(pid.read_text()))
    with pytest.raises(StartFailed, match="shutting down"):
        await rig.host.run(birth, LONG_S)
