"""Whom the successor of a dead root kills, and whom it spares."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.host import leftovers, marks
from supervisor.host.proctable import ProcessTable

DEAD = marks.identity(1 << 22, 17)
"""A root that cannot be alive: the kernel gives no such pid."""


@contextmanager
def sleeper(environment: Mapping[str, str], *, before: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process with this environment and a session of its own; ended afterwards."""
    command = ["sh", "-c", f"{before} exec sleep 1000"]
    with subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.req("S7")
def test_only_who_carries_the_mark_of_that_root_is_killed() -> None:
    """Pids are used again: with another start time, or without a mark, a process is a stranger."""
    same_pid = marks.identity(1 << 22, 18)
    with (
        sleeper(marks.inherited(os.environ, DEAD)) as left,
        sleeper(marks.inherited(os.environ, same_pid)) as stranger,
        sleeper(os.environ) as unmarked,
    ):
        assert leftovers.clear(DEAD) == (f"{left.pid} (sleep)",)
        assert left.wait(10) == -9
        assert (stranger.poll(), unmarked.poll()) == (None, None)


@pytest.mark.req("S7")
def test_whole_sessions_are_killed() -> None:
    """A member that has cleared its environment goes with its leader."""
    with sleeper(marks.inherited(os.environ, DEAD), before="env -i sleep 1000 & echo $!;") as leader:
        assert leader.stdout is not None
        member = leader.stdout.readline().strip()
        killed = leftovers.clear(DEAD)

    assert {name.split()[0] for name in killed} == {str(leader.pid), member}


@pytest.mark.req("S7")
@pytest.mark.parametrize("root", ["", "1", "x-1", "1-x", "0-0"])
def test_what_is_no_identity_clears_nothing(root: str) -> None:
    """An empty lock file, or the one of an earlier release, names nobody to look for."""
    assert leftovers.clear(root) == ()


@pytest.mark.req("S7")
def test_a_living_root_keeps_everything() -> None:
    """While the root named is alive its processes are its own, and so are its directories."""
    with (
        sleeper(marks.inherited(os.environ, marks.own_identity())) as child,
        tempfile.TemporaryDirectory(prefix=leftovers.directory_prefix(marks.own_identity())) as directory,
    ):
        assert leftovers.clear(marks.own_identity()) == ()
        assert child.poll() is None
        assert Path(directory).is_dir()


@pytest.mark.req("S7")
def test_directories_of_the_dead_root_are_removed() -> None:
    """Those alone: one of another root stays."""
    with tempfile.TemporaryDirectory(prefix=leftovers.directory_prefix(f"{DEAD}0")) as other:
        own = Path(tempfile.mkdtemp(prefix=leftovers.directory_prefix(DEAD)))
        (own / "forkserver").touch()

        leftovers.clear(DEAD)

        assert not own.exists()
        assert Path(other).is_dir()


class InExec(ProcessTable):
    """The real table, in which one process is in the middle of an exec for some looks."""

    def __init__(self, pid: int, looks: int) -> None:
        super().__init__()
        self._pid, self._looks = pid, looks

    def environment(self, pid: int) -> bytes:
        if pid == self._pid and self._looks:
            self._looks -= 1
            return b""
        return super().environment(pid)


@pytest.mark.req("S7")
@pytest.mark.parametrize("looks", [1, 2, 3, 10])
def test_who_is_just_in_exec_is_found_by_a_later_look(looks: int) -> None:
    """Between two programs a process shows no environment, hence no mark."""
    with sleeper(marks.inherited(os.environ, DEAD), before="echo;") as left:
        assert left.stdout is not None
        left.stdout.readline()
        killed = leftovers.clear(DEAD, InExec(left.pid, looks))

        assert [name.split()[0] for name in killed] == [str(left.pid)]
        assert left.wait(10) == -9
