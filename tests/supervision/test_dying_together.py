"""Points 5 to 8: who must not outlive whom, who is suspended, and who is still dying."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.engine.events import Exited, ExitStatus
from supervisor.host.forkserver import read_exit_code
from tests.host.forking import fork, release, running_forkserver
from tests.host.rig import Rig, command, is_alive, puppet, with_rig
from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.support.deadline import until, wait_until

GONE_WITHIN_S = 1.0
NOBODY = {"user": "nobody", "directory": "/"} if os.geteuid() == 0 else {}
"""A change of user clears the death signal: where the tests may, they make one."""


def thread_comes_and_goes() -> None:
    """Have a thread of this process end."""
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


@pytest.mark.req("S7")
def test_05_wrong_parent_is_deadly() -> None:
    """The parent died before PDEATHSIG was set: whoever finds another one than it was told dies at once."""
    code = "from supervisor.host.prctl import die_with_parent; die_with_parent(1 << 22)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL


@pytest.mark.req("S7")
def test_05_death_signal_survives_fork_exec_and_a_change_of_user(grow: Grow) -> None:
    """It is cleared by all three. With a root that can do nothing, the loss of the parent still kills."""
    root = grow(trees.command("c", *trees.SLEEPS, **NOBODY), trees.worker("w", "serves", heartbeat="none"))
    pids = {name: child["pid"] for name, child in root.wait_ready(["c", "w"]).items()}
    launcher, forkserver = root.helper("launcher"), root.helper("forkserver")
    trees.suspend(root.process.pid)

    for pid in (launcher, forkserver):
        os.kill(pid, signal.SIGKILL)

    wait_until(
        lambda: not any(map(trees.alive, pids.values())), what="both children to die", state=lambda: pids
    )
    root.process.send_signal(signal.SIGCONT)
    root.wait_for("c", state="ready", restarts=1)


@pytest.mark.req("S7")
@with_rig
async def test_05_end_of_another_thread_ends_nobody(rig: Rig) -> None:
    """PDEATHSIG hangs on the thread that forked: the helpers, also a renewed one, hang on one that stays."""
    await rig.runs(puppet("a", 1, "runs"))
    thread_comes_and_goes()
    os.kill(trees.helpers(os.getpid())["sv-forkserver"], signal.SIGKILL)
    await rig.event(Exited, "a")
    again = await rig.runs(puppet("a", 2, "runs"))
    thread_comes_and_goes()

    assert all(map(is_alive, [again, *rig.host.helpers()]))


@pytest.mark.req("S7")
def test_06_end_of_the_lifeline_ends_the_worker() -> None:
    """A worker whose root is gone ends itself by SIGKILL, also while the forkserver, its parent, lives."""
    with running_forkserver() as forkserver:
        forked, output = fork(forkserver, "runs", deaf=True)
        assert os.read(output, 100).startswith(b"up ")

        os.close(forked.lifeline)

        assert read_exit_code(forked.sentinel) == -signal.SIGKILL
        release(forked, output)


def start_small_root() -> subprocess.Popen[str]:
    """Run a root in a process of its own; its first line of output comes when all is up."""
    argv = [sys.executable, "-m", "tests.host.small_root"]
    repository = Path(__file__).parents[2]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=repository)


SmallRoot = tuple[subprocess.Popen[str], dict[str, int]]


@pytest.fixture
def small_root() -> Iterator[SmallRoot]:
    """A root in a process of its own, and the pids of all that it started."""
    with start_small_root() as root:
        assert root.stdout is not None
        pids = json.loads(root.stdout.readline())
        yield root, pids
        root.kill()


@pytest.mark.req("S7")
def test_06_killed_root_leaves_nobody(small_root: SmallRoot) -> None:
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
def test_06_killed_root_leaves_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_06_guardian_that_was_killed_is_replaced_with_all_it_knew(small_root: SmallRoot) -> None:
    """The launcher killed, then the root: the new launcher knows the sessions of the old one."""
    root, pids = small_root

    def launchers() -> list[int]:
        found = trees.helpers(root.pid).get("sv-launcher")
        return [] if found is None else [found]

    (first,) = launchers()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: launchers() not in ([], [first]), what="another launcher", state=launchers)
    root.kill()

    wait_until(
        lambda: not any(is_alive(pid) for pid in (*pids.values(), *launchers())),
        what="all to be gone",
        state=lambda: {name: pid for name, pid in pids.items() if is_alive(pid)},
    )


@pytest.mark.req("S4")
@with_rig
async def test_07_term_to_a_suspended_child_comes_with_cont(rig: Rig) -> None:
    """TERM to a child in SIGSTOP did nothing until it was killed: here it hears it and ends its own way."""
    pid = await rig.runs(puppet("a", 1, "suspends_itself", code=7))
    await until(lambda: trees.state_of(pid) == "T", what="the child to sleep")

    rig.host.terminate("a", 1)

    assert (await rig.event(Exited, "a")).status == ExitStatus(code=7)


@pytest.mark.req("S4")
@with_rig
async def test_07_term_to_a_suspended_command_comes_with_cont(rig: Rig) -> None:
    """The same for a foreign program."""
    pid = await rig.runs(
        command("c", 1, "sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 60 & wait; done")
    )
    await rig.word("up", "c")
    trees.suspend(pid)

    rig.host.terminate("c", 1)

    assert (await rig.event(Exited, "c")).status == ExitStatus(code=7)


@pytest.mark.req("S1")
def test_08_never_two_living_incarnations(grow: Grow, tmp_path: Path) -> None:
    """A second start while the first was dying gave two of them: each holds a lock, and no two can."""
    script = f"exec 9>lock; flock -n 9 || {{ echo two >> doubled; exit 1; }}; {trees.SLOW_TO_STOP}"
    root = grow(trees.shell("c", script, directory=str(tmp_path), shutdown="infinity", **trees.EAGER))
    first = root.wait_for("c", state="ready")["pid"]
    wait_until(lambda: '"up"' in root.log("c"), what="the lock to be held")

    for verb in ("stop", "start", "restart", "stop", "start"):
        root.change(verb, "c", wait=False)
    root.wait_for("c", state="stopping", wanted=True, pid=first)
    assert trees.alive(first)
    (tmp_path / "go").touch()
    root.wait_for("c", state="ready")
    for _ in range(20):
        if (pid := root.child("c")["pid"]) is not None:
            trees.kill(pid)
        root.change("start", "c", wait=False)

    root.wait_for("c", state="ready")
    assert not (tmp_path / "doubled").exists()
