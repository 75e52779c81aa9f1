"""The environment by which a process can be recognised as somebody's, wherever it has run to.

A leaf, standard library only: the launcher imports it too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from supervisor.host.proctable import ProcessTable

CHILD = "SUPERVISOR_CHILD"
INCARNATION = "SUPERVISOR_INCARNATION"
ROOT = "SUPERVISOR_ROOT"


_own: dict[int, str] = {}


def identity(pid: int, started: int) -> str:
    """What tells one process from all others since the last boot: its pid and its start in ticks."""
    return f"{pid}-{started}"


def own_identity() -> str:
    """The identity of this process, which is a root."""
    pid = os.getpid()
    if pid not in _own:
        _own[pid] = identity(pid, ProcessTable().started(pid) or 0)
    return _own[pid]


def marks(child: str, incarnation: int, root: str) -> dict[str, str]:
    """The variables that every process of an incarnation carries; ``root`` is the root's identity."""
    return {CHILD: child, INCARNATION: str(incarnation), ROOT: root}


def inherited(environment: Mapping[str, str], root: str) -> dict[str, str]:
    """The environment of a helper of the root: of that root, and nobody's incarnation."""
    # The root may itself run under another supervisor, whose marks are not for its children.
    kept = {name: value for name, value in environment.items() if name not in (CHILD, INCARNATION)}
    return {**kept, ROOT: root}


def is_marked(environment: bytes, root: str) -> bool:
    """Whether this environment (as in /proc) was handed down by the root with that identity."""
    return f"{ROOT}={root}".encode("ascii") in environment.split(b"\0")


def owner(environment: bytes) -> tuple[str, int] | None:
    """The child and incarnation that an environment names, or None.

    None also for a process that a Python worker forked without exec: it shows the forkserver's environment.
    """
    entries = dict(entry.partition(b"=")[::2] for entry in environment.split(b"\0"))
    child = entries.get(CHILD.encode("ascii"))
    incarnation = entries.get(INCARNATION.encode("ascii"), b"")
    if child is None or not incarnation.isdigit():
        return None
    return child.decode("utf-8", "surrogateescape"), int(incarnation)
