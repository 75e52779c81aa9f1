"""The table of processes, read from a real /proc and from a made-up one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.host.proctable import ProcessTable, Stat

NUMBERS = st.integers(0, 1 << 22)


@pytest.mark.req("S7")
@given(NUMBERS, st.binary(max_size=15), st.sampled_from("RSDZTtXI"), NUMBERS, NUMBERS, NUMBERS)
def test_any_name_is_read(pid: int, name: bytes, state: str, parent: int, group: int, session: int) -> None:
    """Whatever a process calls itself, blanks and parentheses included, its numbers are found."""
    line = b"%d (%s) %s %d %d %d 0 -1 4194560\n" % (pid, name, state.encode(), parent, group, session)

    stat = Stat.parse(line)

    assert (stat.pid, stat.state, stat.parent, stat.group, stat.session) == (
        pid,
        state,
        parent,
        group,
        session,
    )
    assert stat.zombie == (state in "ZX")


@pytest.mark.req("S7")
@given(st.binary(max_size=40))
def test_nonsense_is_a_value_error(line: bytes) -> None:
    """What is not such a line raises ValueError and nothing else."""
    try:
        Stat.parse(line)
    except ValueError:
        return


def make(proc: Path, pid: int, parent: int, session: int, state: str = "S") -> None:
    """Put a process into a made-up /proc."""
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_text(f"{pid} (x) {state} {parent} {session} {session} 0\n")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Three children of 10, two of them in session 20, and a stranger."""
    for pid, parent, session, state in (
        (10, 1, 10, "S"),
        (20, 10, 20, "S"),
        (21, 10, 20, "Z"),
        (22, 10, 22, "S"),
    ):
        make(tmp_path, pid, parent, session, state)
    make(tmp_path, 30, 1, 30)
    (tmp_path / "uptime").write_text("1 1\n")
    return tmp_path


@pytest.mark.req("S7")
def test_children_by_scanning(proc: Path) -> None:
    """Without the kernel's lists, children are found by their parent's number."""
    assert sorted(stat.pid for stat in ProcessTable(str(proc)).children(10)) == [20, 21, 22]


@pytest.mark.req("S7")
def test_children_by_the_kernels_list(proc: Path) -> None:
    """With the kernel's lists, the children of every thread are found, without those just gone."""
    for task, listed in (("10", "20 22 "), ("11", "21 99 ")):
        (proc / "10" / "task" / task).mkdir(parents=True)
        (proc / "10" / "task" / task / "children").write_text(listed)

    assert sorted(stat.pid for stat in ProcessTable(str(proc)).children(10)) == [20, 21, 22]


@pytest.mark.req("S7")
def test_living_members(proc: Path) -> None:
    """Zombies are no living members of a session."""
    assert ProcessTable(str(proc)).living_members(20) == [20]


@pytest.mark.req("S7")
def test_this_process() -> None:
    """The real table knows this process and its environment, and knows no process that is not there."""
    table = ProcessTable()
    stat = table.stat(os.getpid())

    assert stat is not None
    assert (stat.parent, stat.session) == (os.getppid(), os.getsid(0))
    assert b"PATH=" in table.environment(os.getpid())
    assert table.stat(1 << 30) is None
    assert table.environment(1 << 30) == b""
