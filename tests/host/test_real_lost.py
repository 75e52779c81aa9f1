"""The hidden processes, and the root itself, can be killed too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from multiprocess import resource_tracker

from supervisor.engine.events import Exited, ExitStatus, Spawned
from supervisor.host.proctable import ProcessTable
from tests.host.rig import Rig, command, is_alive, puppet, with_rig
from tests.support.deadline import until, wait_until

BY_PARENT = ExitStatus(signal="SIGKILL", cause="forkserver")
GONE_WITHIN_S = 1.0


def named(parent: int, name: str) -> list[int]:
    """The pids of the living children of a process that have that name."""
    return [
        stat.pid for stat in ProcessTable().children(parent) if not stat.zombie and comm(stat.pid) == name
    ]


def comm(pid: int) -> str:
    """The name that a process shows; empty when it has just ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


async def helper(name: str) -> int:
    """The pid of this process's helper with that name, once it has it."""
    found = await until(lambda: named(os.getpid(), name), what=f"the helper {name}")
    return found[0]


@pytest.mark.req("S7")
@with_rig
async def test_lost_forkserver_is_one_cause_and_nobody_is_doubled(rig: Rig) -> None:
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
async def test_suspended_workers_die_with_the_forkserver(rig: Rig) -> None:
    """SIGKILL by PDEATHSIG also reaches a worker in SIGSTOP."""
    pid = await rig.runs(puppet("a", 1, "suspends_itself"))
    await until(lambda: (stat := ProcessTable().stat(pid)) and stat.state == "T", what="the worker to sleep")

    os.kill(await helper("sv-forkserver"), signal.SIGKILL)

    assert (await rig.event(Exited, "a")).status == BY_PARENT


@pytest.mark.req("S7")
@with_rig
async def test_suspended_forkserver_hides_no_death(rig: Rig) -> None:
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
async def test_forkserver_shrugs_off_what_is_meant_for_everybody(rig: Rig) -> None:
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
async def test_lost_launcher_takes_its_commands_only(rig: Rig) -> None:
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
async def test_orders_meanwhile_are_answered(rig: Rig) -> None:
    """A command asked for in the very moment the launcher dies is answered, one way or the other."""
    os.kill(await helper("sv-launcher"), signal.SIGKILL)
    for incarnation in range(1, 6):
        rig.host.spawn(command("c", incarnation, "sleep", "1000"))

    await until(lambda: len(rig.heard) >= 5, what="five answers", state=lambda: rig.heard)
    await rig.runs(command("c", 6, "sleep", "1000"))


@pytest.mark.req("S7")
@with_rig
async def test_lost_resource_tracker_is_no_event(rig: Rig) -> None:
    """kill -9 of the resource tracker: no warning, no death, and the next start works."""
    await rig.runs(puppet("a", 1, "runs"))
    tracker = resource_tracker._resource_tracker._pid

    os.kill(tracker, signal.SIGKILL)
    await until(lambda: not is_alive(tracker), what="the tracker to be gone")
    await rig.runs(puppet("b", 1, "runs"))

    assert list(rig.host.pids()) == ["a", "b"]
    assert all(isinstance(event, Spawned) for event in rig.heard)


def start_small_root() -> subprocess.Popen[str]:
    """Run a root in a process of its own; its first line of output comes when all is up."""
    argv = [sys.executable, "-m", "tests.host.small_root"]
    repository = Path(__file__).parents[2]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=repository)


@pytest.fixture
def small_root() -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """A root in a process of its own, and the pids of all that it started."""
    with start_small_root() as root:
        assert root.stdout is not None
        pids = json.loads(root.stdout.readline())
        yield root, pids
        root.kill()


@pytest.mark.req("S7")
def test_killed_root_leaves_nobody(small_root: tuple[subprocess.Popen[str], dict[str, int]]) -> None:
    """kill -9 of the root: children, grandchildren, escapees and helpers are gone within a second."""
    root, pids = small_root
    assert all(is_alive(pid) for pid in pids.values())

    root.kill()
    killed_at = time.monotonic()
    wait_until(
        lambda: not any(is_alive(pid) for pid in pids.values()),
        what="all to be gone",
        state=lambda: {name: pid for name, pid in pids.items() if is_alive(pid)},
    )

    assert time.monotonic() - killed_at < GONE_WITHIN_S


@pytest.mark.req("S7")
def test_killed_root_leaves_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The forkserver's socket lies in a temporary directory; the guardian removes it."""
    short = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setenv("TMPDIR", str(short))
    with start_small_root() as root:
        assert root.stdout is not None
        root.stdout.readline()
        assert list(short.iterdir())
        root.kill()

    wait_until(lambda: not list(short.iterdir()), what="the directory to be empty")
    short.rmdir()


@pytest.mark.req("S7")
def test_killed_guardian_is_replaced_with_all_it_knew(
    small_root: tuple[subprocess.Popen[str], dict[str, int]],
) -> None:
    """The launcher killed, then the root: the new launcher knows the sessions of the old one."""
    root, pids = small_root

    def launchers() -> list[int]:
        return named(root.pid, "sv-launcher")

    (first,) = launchers()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: launchers() not in ([], [first]), what="another launcher", state=launchers)
    root.kill()

    wait_until(
        lambda: not any(is_alive(pid) for pid in (*pids.values(), *launchers())),
        what="all to be gone",
        state=lambda: {name: pid for name, pid in pids.items() if is_alive(pid)},
    )
