"""What is left of a child after its leader: groups, grandchildren, escapees."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from supervisor.engine.events import Exited, ExitStatus
from supervisor.host import orphans
from tests.host.rig import Rig, command, is_alive, puppet, with_rig
from tests.support.puppets import DEAF


@pytest.mark.req("S7")
@with_rig
async def test_killed_leader_takes_its_group_along(rig: Rig) -> None:
    """After kill -9 of a worker a grandchild that ignores SIGTERM is dead before Exited is told."""
    pid = await rig.runs(puppet("a", 1, "has_deaf_child"))
    grandchild = int(await rig.word("deaf ", "a"))
    await rig.word("up ", "a")

    os.kill(pid, signal.SIGKILL)

    assert (await rig.event(Exited, "a")).status == ExitStatus(signal="SIGKILL")
    assert not is_alive(grandchild)


@pytest.mark.req("S7")
@with_rig
async def test_leader_that_leaves_first_leaves_nobody(rig: Rig) -> None:
    """A worker that exits by itself does not leave its deaf grandchild behind."""
    exited = await rig.ends(puppet("a", 1, "has_deaf_child", leaves=5))

    assert exited.status == ExitStatus(code=5)
    assert not is_alive(int(await rig.word("deaf ", "a")))


@pytest.mark.req("S7")
@with_rig
async def test_command_that_leaves_first_leaves_nobody(rig: Rig) -> None:
    """A command's deaf grandchild dies with the command."""
    exited = await rig.ends(
        command("c", 1, "sh", "-c", f"sh -c '{DEAF.replace(chr(39), chr(34))}' & sleep 0.2")
    )

    assert exited.status == ExitStatus(code=0)
    assert not is_alive(int(await rig.word("deaf ", "c")))


@pytest.mark.req("S7")
@with_rig
async def test_kill_reaches_the_group(rig: Rig) -> None:
    """kill() ends leader and grandchild."""
    await rig.runs(puppet("a", 1, "has_deaf_child"))
    grandchild = int(await rig.word("deaf ", "a"))

    rig.host.kill("a", 1)

    await rig.event(Exited, "a")
    assert not is_alive(grandchild)


@pytest.mark.req("S7")
@with_rig
async def test_escapee_of_a_worker_is_swept(rig: Rig) -> None:
    """A descendant that forked twice into a session of its own is dead before Exited is told."""
    await rig.runs(puppet("a", 1, "has_escapee"))
    escapee = int(await rig.word("escaped ", "a"))
    await rig.word("up ", "a")
    assert is_alive(escapee)

    rig.host.kill("a", 1)

    await rig.event(Exited, "a")
    assert not is_alive(escapee)


@pytest.mark.req("S7")
@with_rig
async def test_escapee_of_another_child_is_spared(rig: Rig) -> None:
    """The death of one child does not touch the daemon of another one that lives."""
    await rig.runs(puppet("a", 1, "has_escapee"))
    escapee = int(await rig.word("escaped ", "a"))

    await rig.ends(command("c", 1, "true"))

    assert is_alive(escapee)


@pytest.mark.req("S7")
@with_rig
async def test_unreaped_grandchild_holds_up_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zombie in the group, whose parent has escaped and does not reap it, does not delay the report."""
    monkeypatch.setattr(orphans, "PATIENCE", 60.0)
    code = (
        "import os, signal\n"
        "told, tell = os.pipe()\n"
        "if os.fork():\n"
        "    os.read(told, 1)\n"
        "    os._exit(0)\n"
        "if os.fork() == 0:\n"
        "    os._exit(0)\n"
        "os.setsid()\n"
        "print('holder', os.getpid(), flush=True)\n"
        "os.write(tell, b'.')\n"
        "signal.pause()\n"
    )
    await rig.ends(command("c", 1, sys.executable, "-I", "-S", "-c", code))

    assert not is_alive(int(await rig.word("holder ", "c")))
