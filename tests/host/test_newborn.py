"""The process in reserve: it spares a restart the fork, and nobody may notice what becomes of it."""

from __future__ import annotations

import os
import signal

import pytest

from supervisor.engine.events import SpawnFailed
from supervisor.host.proctable import NEWBORN, ProcessTable
from tests.host.rig import Rig, command, with_rig
from tests.support.deadline import until


def in_reserve() -> list[int]:
    """The pids of all newborns of this process's launcher."""
    table = ProcessTable()
    helpers = [stat.pid for stat in table.children(os.getpid())]
    return [
        stat.pid
        for helper in helpers
        for stat in table.children(helper)
        if stat.name == NEWBORN and not stat.zombie
    ]


@pytest.mark.req("S10")
@with_rig
async def test_next_command_is_who_waited(rig: Rig) -> None:
    """A restart does not fork: the process that becomes the command was there before."""
    await rig.runs(command("a", 1, "sleep", "1000"))
    waiting = await until(in_reserve, what="a newborn in reserve")

    assert await rig.runs(command("b", 1, "sleep", "1000")) in waiting


@pytest.mark.req("S10")
@with_rig
async def test_killed_reserve_is_replaced(rig: Rig) -> None:
    """kill -9 of the newborn in reserve: the next command runs all the same, and is told once."""
    await rig.runs(command("a", 1, "sleep", "1000"))
    (waiting,) = await until(in_reserve, what="a newborn in reserve")
    os.kill(waiting, signal.SIGKILL)
    await until(lambda: waiting not in in_reserve(), what="the end of the newborn")

    assert await rig.runs(command("b", 1, "sleep", "1000")) != waiting
    assert (await rig.ends(command("c", 1, "true"))).status.normal


@pytest.mark.req("S10")
@with_rig
async def test_stopped_reserve_fails_one_start_only(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newborn that does not answer fails the start that it was for; no other command is touched."""
    monkeypatch.setattr("supervisor.host.launcher_client._ANSWER_PATIENCE", 0.2)
    bystander = await rig.runs(command("a", 1, "sleep", "1000"))
    (waiting,) = await until(in_reserve, what="a newborn in reserve")
    os.kill(waiting, signal.SIGSTOP)

    rig.host.spawn(command("b", 1, "true"))

    assert "could not be executed" in (await rig.event(SpawnFailed, "b")).detail
    assert (await rig.ends(command("c", 1, "true"))).status.normal
    assert os.getpgid(bystander) == bystander
