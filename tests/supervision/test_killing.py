"""Points 1 to 4: the right one is killed, with all that belongs to it, and nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.engine.events import Exited, ExitStatus
from supervisor.host import orphans
from supervisor.host.launcher_client import Launched
from supervisor.host.pidfd import open_pidfd
from supervisor.host.running import CommandProcess
from tests.host.rig import Rig, command, is_alive, puppet, with_rig
from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.support.deadline import wait_until
from tests.support.puppets import DEAF, ESCAPEE

NEXT_PID = Path("/proc/sys/kernel/ns_last_pid")
TRIES = 50


def sleeper_with_pid(pid: int) -> subprocess.Popen[bytes] | None:
    """A new process that gets this pid; None when somebody else was quicker."""
    try:
        NEXT_PID.write_text(str(pid - 1))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            pytest.skip("only uid 0 can have a pid used again at will")
        raise
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    if process.pid == pid:
        return process
    process.kill()
    process.wait()
    return None


def dead_leader(loop: asyncio.AbstractEventLoop) -> CommandProcess:
    """What the host holds of a command that has ended, and whose pid is free again."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        held = CommandProcess(
            loop, Launched(process.pid, os.getpid(), os.pidfd_open(process.pid), loop.create_future())
        )
        process.kill()
    return held


@pytest.mark.req("S7")
def test_01_a_signal_never_reaches_who_got_the_pid_afterwards() -> None:
    """The number of a dead child belongs to a stranger now: neither TERM nor KILL touches that one."""
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        for _ in range(TRIES):
            held = dead_leader(loop)
            stranger = sleeper_with_pid(held.pid)
            if stranger is not None:
                break
            held.release()
        assert stranger is not None, "the pid was always taken by somebody else"
        with stranger:
            held.send(signal.SIGTERM, signal.SIGCONT)
            held.kill()
            held.release()

            assert stranger.poll() is None
            stranger.kill()
            assert stranger.wait() == -signal.SIGKILL


@pytest.mark.req("S7")
def test_01_a_pid_with_another_parent_is_not_taken_for_the_child() -> None:
    """The number was given away before it could be held: it is no child of ours, so nothing is sent."""
    with subprocess.Popen(
        ["sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdout is not None
        grandchild = int(shell.stdout.readline())

        assert open_pidfd(grandchild, parent=1 << 22) is None
        os.kill(grandchild, signal.SIGKILL)


@pytest.mark.req("S7")
@with_rig
async def test_02_killed_leader_takes_its_group_along(rig: Rig) -> None:
    """A grandchild that ignores TERM outlived its parent: after kill -9 of a worker it is dead too."""
    pid = await rig.runs(puppet("a", 1, "has_deaf_child"))
    grandchild = int(await rig.word("deaf ", "a"))
    await rig.word("up ", "a")

    os.kill(pid, signal.SIGKILL)

    assert (await rig.event(Exited, "a")).status == ExitStatus(signal="SIGKILL")
    assert not is_alive(grandchild)


@pytest.mark.req("S7")
@with_rig
async def test_02_worker_that_leaves_first_leaves_nobody(rig: Rig) -> None:
    """The leader died first, so its group was forgotten: here its deaf grandchild ends with it."""
    exited = await rig.ends(puppet("a", 1, "has_deaf_child", leaves=5))

    assert exited.status == ExitStatus(code=5)
    assert not is_alive(int(await rig.word("deaf ", "a")))


@pytest.mark.req("S7")
@with_rig
async def test_02_command_that_leaves_first_leaves_nobody(rig: Rig) -> None:
    """The same for a foreign program."""
    exited = await rig.ends(
        command("c", 1, "sh", "-c", f"sh -c '{DEAF.replace(chr(39), chr(34))}' & sleep 0.2")
    )

    assert exited.status == ExitStatus(code=0)
    assert not is_alive(int(await rig.word("deaf ", "c")))


@pytest.mark.req("S7")
@with_rig
async def test_02_kill_reaches_the_group(rig: Rig) -> None:
    """Only the leader was killed: kill() ends leader and grandchild."""
    await rig.runs(puppet("a", 1, "has_deaf_child"))
    grandchild = int(await rig.word("deaf ", "a"))

    rig.host.kill("a", 1)

    await rig.event(Exited, "a")
    assert not is_alive(grandchild)


@pytest.mark.req("S7")
@pytest.mark.req("O3")
def test_03_stopped_means_that_group_and_escapees_are_gone(grow: Grow, tmp_path: Path) -> None:
    """Stopped was said when the leader had gone: here nobody of the child is left when stop returns."""
    deaf = DEAF.replace("echo deaf $$", "echo $$ > deaf")
    escapee = ESCAPEE.replace(
        "print('escaped', os.getpid(), flush=True)",
        "print(os.getpid(), file=open('escaped', 'w'), flush=True)",
    )
    script = f'({deaf}) & "{sys.executable}" -I -S -c "{escapee}" & wait'
    root = grow(trees.shell("family", script, directory=str(tmp_path)))
    files = [tmp_path / "deaf", tmp_path / "escaped"]
    wait_until(lambda: all(file.exists() and file.read_text().strip() for file in files), what="the family")
    pids = [int(file.read_text()) for file in files]
    assert all(map(is_alive, pids))

    assert root.change("stop", "family").ok

    assert not any(map(is_alive, pids))
    assert root.child("family")["state"] == "stopped"


@pytest.mark.req("S7")
@with_rig
async def test_03_unreaped_grandchild_holds_up_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zombie in the group, whose parent has escaped and does not reap it, would be waited for for ever."""
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


@pytest.mark.req("S7")
@with_rig
async def test_04_escapee_is_swept(rig: Rig) -> None:
    """Two forks and setsid were a way out: such a descendant is dead before the end is told."""
    await rig.runs(puppet("a", 1, "has_escapee"))
    escapee = int(await rig.word("escaped ", "a"))
    await rig.word("up ", "a")
    assert is_alive(escapee)

    rig.host.kill("a", 1)

    await rig.event(Exited, "a")
    assert not is_alive(escapee)


@pytest.mark.req("S7")
@with_rig
async def test_04_escapee_of_another_child_is_spared(rig: Rig) -> None:
    """The sweep hits the wrong one: the death of one child does not touch the daemon of another."""
    await rig.runs(puppet("a", 1, "has_escapee"))
    escapee = int(await rig.word("escaped ", "a"))

    await rig.ends(command("c", 1, "true"))

    assert is_alive(escapee)
