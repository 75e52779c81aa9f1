"""What a dead root has left when its guardian died with it or sleeps: found by its mark, and removed.

A mark names the root's pid and start time, and only those of a root that is dead are looked for: nobody
else's process can carry it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from supervisor.host import marks
from supervisor.host.killing import kill_process
from supervisor.host.proctable import ProcessTable, Stat

_GUARDIAN = b"sv-launcher"
_GUARDIAN_PATIENCE = 2.0
"""Seconds for a guardian that is awake: it is at work already, and knows more than the marks tell."""
_KILL_PATIENCE = 10.0
_INTERVAL = 0.005
_LOOKS = 2
"""So many looks in a row must find nobody."""
_EXEC_LOOKS = 20
"""So many while somebody shows no environment: who is just in exec does not, but other users never do."""
_LONGEST_PARENT = 50


def temporary_directory() -> str:
    """Where temporary directories of roots lie; a socket in one must fit into 107 bytes of path."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _LONGEST_PARENT else "/tmp"


def directory_prefix(root: str) -> str:
    """How the names of temporary directories of the root with that identity begin."""
    return f"supervisor-{root}-"


def clear(root: str, table: ProcessTable | None = None) -> tuple[str, ...]:
    """Kill what carries the mark of the root with that identity, whole sessions; remove its directories.

    Returns whom it killed, as ``pid (name)``; does nothing while that root is alive. Blocks until all are
    gone, for at most some seconds (a process may hang in the kernel).
    """
    table = table or ProcessTable()
    pid, _, started = root.partition("-")
    if not (pid.isdigit() and started.isdigit()) or table.started(int(pid)) == int(started):
        return ()
    _leave_to_guardian(root, table)
    killed = _kill_all(root, table)
    _remove_directories(root)
    return tuple(killed.values())


def _kill_all(root: str, table: ProcessTable) -> dict[int, str]:
    killed: dict[int, str] = {}
    give_up = time.monotonic() + _KILL_PATIENCE
    quiet = 0
    while quiet < _EXEC_LOOKS and time.monotonic() < give_up:
        found, silent = _look(root, table)
        quiet = 0 if found else quiet + 1
        if quiet >= _LOOKS and not silent:
            break
        for stat in found:
            kill_process(stat.pid)
            killed[stat.pid] = f"{stat.pid} ({stat.name.decode('utf-8', 'replace')})"
        time.sleep(_INTERVAL)
    return killed


def _leave_to_guardian(root: str, table: ProcessTable) -> None:
    give_up = time.monotonic() + _GUARDIAN_PATIENCE
    while time.monotonic() < give_up and any(
        stat.name == _GUARDIAN and stat.state not in "Tt" for stat in _look(root, table)[0]
    ):
        time.sleep(_INTERVAL)


def _look(root: str, table: ProcessTable) -> tuple[list[Stat], bool]:
    """The marked processes and the sessions that these lead, and whether somebody shows no environment.

    Without this process and those it came from, and without the kernel's threads, which have no session.
    """
    living = {stat.pid: stat for stat in table.every() if not stat.zombie}
    shown = {pid: table.environment(pid) for pid in living}
    marked = {pid for pid, environment in shown.items() if marks.is_marked(environment, root)}
    spared = _line_of(os.getpid(), living)
    own_session = os.getsid(0)
    others = [stat for pid, stat in living.items() if pid not in spared and stat.session != own_session]
    left = [stat for stat in others if stat.pid in marked or stat.session in marked]
    return left, any(not shown[stat.pid] and stat.session for stat in others)


def _line_of(pid: int, living: dict[int, Stat]) -> set[int]:
    line: set[int] = set()
    while pid in living and pid not in line:
        line.add(pid)
        pid = living[pid].parent
    return line


def _remove_directories(root: str) -> None:
    for path in Path(temporary_directory()).glob(f"{directory_prefix(root)}*"):
        if path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.geteuid():
            shutil.rmtree(path, ignore_errors=True)
