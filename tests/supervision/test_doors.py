"""Point 29: the lock, what a killed root leaves lying about, and who may come in."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from protocol.places import find_root
from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.support.deadline import wait_until

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only uid 0 can knock as somebody else")
KNOCK = """
import os, sys
from protocol.codec import OPERATOR_REQUEST
from protocol.errors import NoAnswer
from protocol.messages.operator import AskChange
from protocol.transport.zeromq import ask
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
wish = AskChange(request="from-outside", verb="stop", names=("c",), wait=False)
try:
    ask(sys.argv[1], OPERATOR_REQUEST.encode(wish), timeout=float(sys.argv[3]), max_bytes=100_000)
except NoAnswer:
    sys.exit(4)
"""


@contextmanager
def standing_open(socket: Path, outermost: Path) -> Iterator[None]:
    """Let everybody reach a socket, as far as the modes of files go."""
    opened = [socket, *(folder for folder in socket.parents if folder.is_relative_to(outermost))]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in opened]
    for path in opened:
        path.chmod(0o777)
    try:
        yield
    finally:
        for path, mode in zip(opened, modes, strict=True):
            path.chmod(mode)


@pytest.mark.req("S7")
@pytest.mark.leaves_sockets
def test_29_what_a_killed_root_leaves_is_no_obstacle(grow: Grow) -> None:
    """A stale pid file or socket kept the next root away, or a lock file was unlinked and held twice."""
    root = grow(trees.command("c", *trees.SLEEPS))
    root.wait_ready(["c"])
    sockets = Path(find_root(root.state_dir).runtime_dir)
    lock = root.state_dir / "root.lock"
    inode = lock.stat().st_ino
    root.kill()
    wait_until(lambda: not root.living(), what="everything to be gone", state=root.living)
    assert list(sockets.iterdir())
    assert lock.stat().st_ino == inode
    lock.write_text("1\n")  # the pid of a living process, which is no root
    assert root.status() == {}

    again = grow(trees.command("c", *trees.SLEEPS))
    again.wait_ready(["c"])

    assert lock.stat().st_ino == inode
    assert lock.read_text().startswith(f"{again.process.pid}-")
    assert again.interrupt() == 0
    assert lock.stat().st_ino == inode


@pytest.mark.req("S7")
def test_29_second_root_on_the_same_directory_is_refused(grow: Grow) -> None:
    """Two roots shared one directory: the second says who holds it and ends with 1, the first runs on."""
    root = grow(trees.command("c", *trees.SLEEPS))
    before = root.wait_ready(["c"])
    other = grow(trees.command("c", *trees.SLEEPS), serves=False)

    assert other.process.wait(30) == 1
    assert str(root.process.pid) in other.said()
    assert root.status()["root"]["pid"] == root.process.pid
    assert root.child("c")["pid"] == before["c"]["pid"]


@pytest.mark.req("H1")
def test_29_control_directory_is_private(grow: Grow) -> None:
    """Anybody on the machine could stop the tree: directory 0700, its owner the root's user."""
    root = grow(trees.command("c", *trees.SLEEPS))
    directory = Path(find_root(root.state_dir).runtime_dir).stat()

    assert stat.S_IMODE(directory.st_mode) == 0o700
    assert directory.st_uid == os.geteuid()


@pytest.mark.req("H1")
@NEEDS_ROOT
def test_29_another_user_is_not_heard_though_the_directory_stands_open(grow: Grow, runtime_dir: Path) -> None:
    """The directory's mode was the only lock: with all of it opened, the peer's credentials still are one."""
    root = grow(trees.command("c", *trees.SLEEPS))
    root.wait_ready(["c"])
    address = root.endpoint("operator")

    def knock(uid: int, patience_s: float) -> int:
        argv = [sys.executable, "-c", KNOCK, address, str(uid), str(patience_s)]
        return subprocess.run(argv, check=False).returncode

    with standing_open(Path(address.removeprefix("ipc://")), runtime_dir):
        assert knock(pwd.getpwnam("nobody").pw_uid, 1.0) == 4
    assert root.child("c")["state"] == "ready"
    assert knock(os.geteuid(), trees.ANSWER_S) == 0
    root.wait_for("c", state="stopped")
