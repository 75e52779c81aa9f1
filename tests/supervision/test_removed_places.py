"""Somebody removes what a root stands on, or kills its guardian together with it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest

from protocol import stale
from protocol.places import find_root, recall
from supervisor.host import leftovers
from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.supervision.trees import TreeProcess
from tests.support.deadline import wait_until
from tests.support.puppets import ESCAPEE


def read(file: Path) -> str:
    """What is in a file; nothing while it is not there."""
    return file.read_text() if file.exists() else ""


def number_in(file: Path) -> int:
    """The number that a child writes into a file, once it is there."""
    return int(wait_until(lambda: read(file).strip(), what=f"{file} to be written"))


def escaping(tmp_path: Path) -> str:
    """A child that leaves a daemon in a session of its own, whose pid is then in the file ``escaped``."""
    code = ESCAPEE.replace(
        "print('escaped', os.getpid(), flush=True)",
        "print(os.getpid(), file=open('escaped', 'w'), flush=True)",
    )
    return trees.shell(
        "c", f'"{sys.executable}" -I -S -c "{code}" & exec sleep 1000', directory=str(tmp_path)
    )


def temporary_directories(root: TreeProcess) -> list[Path]:
    """The directories that a root has in the place for temporary files."""
    entry = find_root(root.state_dir)
    return list(Path("/tmp").glob(f"{leftovers.directory_prefix(f'{entry.pid}-{entry.started}')}*"))


@pytest.mark.req("S7")
def test_root_starts_beside_one_that_is_suspended_in_its_start(grow: Grow) -> None:
    """Every start of that user hung for as long as another one was stopped while it tidied up."""
    with stale.entering() as alone:
        assert alone
        root = grow(trees.command("c", *trees.SLEEPS))
        root.wait_ready(["c"])


@pytest.mark.req("S7")
def test_removed_state_directory_does_not_let_a_second_root_in(grow: Grow) -> None:
    """The lock went with the directory and two roots ran: the second is refused, the first locks again."""
    root = grow(trees.command("c", *trees.SLEEPS))
    root.wait_ready(["c"])
    shutil.rmtree(root.state_dir)

    second = grow(trees.command("c", *trees.SLEEPS), serves=False)

    assert second.process.wait(20) == 1
    assert f"is in use by another root (pid {root.process.pid})" in second.said()
    lock = root.state_dir / "root.lock"
    wait_until(lambda: read(lock).startswith(f"{root.process.pid}-"), what="the lock to be back")
    wait_until(lambda: "made and locked again" in root.said(), what="the root to say so", state=root.said)
    with lock.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert root.said().count("made and locked again") == 1
    assert root.child("c")["restarts"] == 0


@pytest.mark.req("S7")
def test_root_whose_state_directory_somebody_else_has_locked_ends(grow: Grow) -> None:
    """Another root has the lock file that is there now: this one stops its tree in order, and fails."""
    root = grow(trees.command("c", *trees.SLEEPS))
    root.wait_ready(["c"])
    mine = root.state_dir / "mine.lock"
    with mine.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        mine.rename(root.state_dir / "root.lock")

        assert root.process.wait(20) == 1

    assert root.said().count("another root has locked") == 1
    assert root.events(event="stop_asked")[-1]["facts"] == {"by": "root.lock"}
    assert root.events(event="root_stopped")


@pytest.mark.req("O3")
@pytest.mark.req("S7")
def test_removed_runtime_directory_comes_back_with_its_sockets(grow: Grow, runtime_dir: Path) -> None:
    """At logout it is removed: the root was lost to its operator, and no worker could be born again."""
    root = grow(trees.worker("w", "serves"))
    before = root.wait_ready(["w"])["w"]
    entry = find_root(root.state_dir)
    sockets = Path(entry.runtime_dir)
    names = {path.name for path in sockets.glob("root.*")}
    for place in runtime_dir.iterdir():
        shutil.rmtree(place)

    wait_until(lambda: {path.name for path in sockets.glob("root.*")} == names, what="the sockets to be back")
    wait_until(lambda: recall(root.state_dir) == entry, what="the root to be registered")
    assert sockets.stat().st_mode & 0o7777 == 0o700
    assert root.child("w")["pid"] == before["pid"]
    assert root.change("restart", "w").ok
    root.wait_for("w", state="ready", incarnation=2)
    assert root.interrupt() == 0


@pytest.mark.req("S7")
@pytest.mark.leaves_sockets
def test_daemon_of_a_root_killed_with_its_launcher_does_not_meet_the_next_root(
    grow: Grow, tmp_path: Path
) -> None:
    """Root and guardian died at once, and a daemon ran on beside its successor: that ends it first."""
    root = grow(escaping(tmp_path))
    root.wait_ready(["c"])
    escapee = number_in(tmp_path / "escaped")
    launcher = root.helper("launcher")
    root.process.send_signal(signal.SIGSTOP)  # or it would see the launcher go, and sweep, before its own end
    for pid in (launcher, root.process.pid):
        os.kill(pid, signal.SIGKILL)
    root.process.wait(20)
    assert trees.alive(escapee)

    again = grow(trees.command("d", *trees.SLEEPS))

    assert not trees.alive(escapee)
    wait_until(lambda: f"left behind: {escapee} (" in again.said(), what="the kill to be told")
    assert again.interrupt() == 0


@pytest.mark.req("S7")
@pytest.mark.leaves_sockets
def test_command_of_a_root_whose_launcher_sleeps_does_not_meet_the_next_root(
    grow: Grow, tmp_path: Path
) -> None:
    """The guardian was suspended when the root died: its successor ends it, with all that it kept."""
    root = grow(trees.worker("w", "serves"), trees.command("c", *trees.SLEEPS))
    command = root.wait_ready(["w", "c"])["c"]["pid"]
    launcher = root.helper("launcher")
    directories = temporary_directories(root)
    trees.suspend(launcher)
    root.kill()
    assert trees.alive(command)
    assert directories

    again = grow(trees.command("d", *trees.SLEEPS))

    assert not trees.alive(command)
    assert not trees.alive(launcher)
    assert not any(directory.exists() for directory in directories)
    assert again.interrupt() == 0


@pytest.mark.req("S7")
@pytest.mark.req("X1")
def test_next_start_removes_what_killed_roots_have_left(grow: Grow, runtime_dir: Path) -> None:
    """Each killed root whose state directory was never used again left a directory of sockets for ever."""
    left = runtime_dir / ("0" * 16)
    left.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(left / "root.operator"))
    os.utime(left, (0, 0))

    root = grow(trees.command("c", *trees.SLEEPS))

    assert not left.exists()
    own = Path(find_root(root.state_dir).runtime_dir)
    assert root.interrupt() == 0
    assert not own.exists()
