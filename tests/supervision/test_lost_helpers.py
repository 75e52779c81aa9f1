"""Point 15: the hidden children, forkserver, launcher and resource tracker, can be killed too."""

from __future__ import annotations

import os
import signal

import pytest
from multiprocess import resource_tracker

from supervisor.engine.events import Exited, ExitStatus, Spawned
from tests.host.rig import Rig, command, is_alive, puppet, with_rig
from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.support.deadline import until

BY_PARENT = ExitStatus(signal="SIGKILL", cause="forkserver")
STRONG = ("a", "b", "c", "d")


async def helper(name: str) -> int:
    """The pid of this process's helper with that name, once it has it."""
    found = await until(lambda: trees.helpers(os.getpid()).get(name), what=f"the helper {name}")
    assert found is not None
    return found


@pytest.mark.req("S7")
@pytest.mark.req("S6")
def test_15_lost_forkserver_is_one_failure_and_everyone_is_back_once(grow: Grow) -> None:
    """Each of its workers counted as a failure, and the tree gave up: here one is allowed and one counted."""
    root = grow(
        trees.supervisor(max_restarts=1, period="1h", on_exhausted="exit"),
        *(trees.worker(name, "serves") for name in STRONG),
        trees.command("e", *trees.SLEEPS),
    )
    before = root.wait_ready([*STRONG, "e"])

    os.kill(root.helper("forkserver"), signal.SIGKILL)
    after = {name: root.wait_restarts(name, 1) for name in STRONG}

    assert {child["last_exit"]["reason"] for child in after.values()} == {"forkserver"}
    assert {child["consecutive_failures"] for child in after.values()} == {0}
    assert {child["incarnation"] for child in after.values()} == {2}
    assert root.child("e")["pid"] == before["e"]["pid"]
    assert [len(root.events(name, "spawned")) for name in (*STRONG, "e")] == [2, 2, 2, 2, 1]


@pytest.mark.req("S7")
@with_rig
async def test_15_lost_forkserver_is_one_cause_and_nobody_is_doubled(rig: Rig) -> None:
    """kill -9 of the forkserver ends its workers, each told once with the cause; commands live on."""
    workers = [await rig.runs(puppet(child, 1, "runs", deaf=True)) for child in ("a", "b")]
    sleeper = await rig.runs(command("c", 1, "sleep", "1000"))

    os.kill(await helper("sv-forkserver"), signal.SIGKILL)
    ends = [await rig.event(Exited, child) for child in ("a", "b")]
    again = await rig.runs(puppet("a", 2, "stops_on_term"))
    await rig.word("up ", "a", 2)

    assert [end.status for end in ends] == [BY_PARENT, BY_PARENT]
    assert not any(is_alive(pid) for pid in workers)
    assert rig.host.pids() == {"a": again, "c": sleeper}
    assert len([event for event in rig.heard if isinstance(event, Exited)]) == 2


@pytest.mark.req("S7")
@with_rig
async def test_15_suspended_workers_die_with_the_forkserver(rig: Rig) -> None:
    """SIGKILL by PDEATHSIG also reaches a worker in SIGSTOP."""
    pid = await rig.runs(puppet("a", 1, "suspends_itself"))
    await until(lambda: trees.state_of(pid) == "T", what="the worker to sleep")

    os.kill(await helper("sv-forkserver"), signal.SIGKILL)

    assert (await rig.event(Exited, "a")).status == BY_PARENT


@pytest.mark.req("S7")
@with_rig
async def test_15_suspended_forkserver_hides_no_death(rig: Rig) -> None:
    """A death is told although the forkserver, asleep, cannot say how it came."""
    pid = await rig.runs(puppet("a", 1, "runs"))
    forkserver = await helper("sv-forkserver")
    os.kill(forkserver, signal.SIGSTOP)

    os.kill(pid, signal.SIGKILL)
    exited = await rig.event(Exited, "a")
    os.kill(forkserver, signal.SIGCONT)

    assert exited.status == ExitStatus()
    await rig.runs(puppet("a", 2, "runs"))


@pytest.mark.req("S7")
@with_rig
async def test_15_helpers_shrug_off_what_is_meant_for_everybody(rig: Rig) -> None:
    """SIGTERM, SIGHUP and SIGINT to the helpers (a killall, a closed terminal) end nobody."""
    await rig.runs(puppet("a", 1, "runs", deaf=True))
    helpers = [await helper("sv-forkserver"), await helper("sv-launcher")]
    for pid in helpers:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            os.kill(pid, number)

    await rig.runs(puppet("b", 1, "runs"))
    await rig.runs(command("c", 1, "sleep", "1000"))

    assert [await helper("sv-forkserver"), await helper("sv-launcher")] == helpers
    assert list(rig.host.pids()) == ["a", "b", "c"]


@pytest.mark.req("S7")
@with_rig
async def test_15_lost_launcher_takes_its_commands_only(rig: Rig) -> None:
    """kill -9 of the launcher ends the commands, told with the cause; workers live; a new one serves."""
    lost = await helper("sv-launcher")
    worker = await rig.runs(puppet("a", 1, "runs"))
    await rig.runs(command("c", 1, "sleep", "1000"))

    os.kill(lost, signal.SIGKILL)
    end = await rig.event(Exited, "c")
    again = await rig.runs(command("c", 2, "sleep", "1000"))

    assert end.status == BY_PARENT
    assert rig.host.pids() == {"a": worker, "c": again}
    assert await helper("sv-launcher") != lost


@pytest.mark.req("S7")
@with_rig
async def test_15_orders_meanwhile_are_answered(rig: Rig) -> None:
    """A command asked for in the very moment the launcher dies is answered, one way or the other."""
    os.kill(await helper("sv-launcher"), signal.SIGKILL)
    for incarnation in range(1, 6):
        rig.host.spawn(command("c", incarnation, "sleep", "1000"))

    await until(lambda: len(rig.heard) >= 5, what="five answers", state=lambda: rig.heard)
    await rig.runs(command("c", 6, "sleep", "1000"))


@pytest.mark.req("S7")
@with_rig
async def test_15_lost_resource_tracker_is_no_event(rig: Rig) -> None:
    """kill -9 of the resource tracker: no warning, no death, and the next start works."""
    await rig.runs(puppet("a", 1, "runs"))
    tracker = resource_tracker._resource_tracker._pid

    os.kill(tracker, signal.SIGKILL)
    await until(lambda: not is_alive(tracker), what="the tracker to be gone")
    await rig.runs(puppet("b", 1, "runs"))

    assert list(rig.host.pids()) == ["a", "b"]
    assert all(isinstance(event, Spawned) for event in rig.heard)
