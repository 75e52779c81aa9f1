"""The table of processes, read from /proc. A leaf, standard library only: the launcher imports it too."""

# pathlib would double what the launcher imports.
# ruff: noqa: PTH110, PTH208

from __future__ import annotations

import os
from collections.abc import Iterator

NEWBORN = b"sv-newborn"
"""The name of a process that waits for the launcher's order."""
_READ_SIZE = 65536


class Stat:
    """One line of the table: a process, its state letter, parent, process group, session and name."""

    __slots__ = ("group", "name", "parent", "pid", "session", "state")

    def __init__(
        self, pid: int, state: str, parent: int, group: int, session: int, name: bytes = b""
    ) -> None:
        self.pid, self.state, self.parent, self.group, self.session = pid, state, parent, group, session
        self.name = name

    @property
    def zombie(self) -> bool:
        """Whether it has ended and only waits for its parent to notice."""
        return self.state in "ZX"

    @classmethod
    def parse(cls, line: bytes) -> Stat:
        """Read the text of /proc/PID/stat. ValueError when it is not one."""
        # The second field, the command in parentheses, may itself hold blanks and parentheses.
        head, name_end, tail = line.rpartition(b")")
        if not name_end:
            raise ValueError(f"no closing parenthesis in {line!r}")
        fields = tail.split(maxsplit=4)
        if len(fields) < 4:
            raise ValueError(f"too few fields in {line!r}")
        pid, _, name = head.partition(b" (")
        parent, group, session = map(int, fields[1:4])
        return cls(int(pid), fields[0].decode("ascii"), parent, group, session, name)


class ProcessTable:
    """Looks at processes without disturbing them. ``root`` is where procfs is mounted.

    Whatever ends while it is being read is left out; nothing here raises for that.
    """

    def __init__(self, root: str = "/proc") -> None:
        self._root = root
        self._lists_children = False

    def stat(self, pid: int) -> Stat | None:
        """The process's line, or None when there is no such process."""
        line = _read(f"{self._root}/{pid}/stat")
        return Stat.parse(line) if line else None

    def started(self, pid: int) -> int | None:
        """When the process started, in ticks since boot; None when it is gone or a zombie."""
        fields = _read(f"{self._root}/{pid}/stat").rpartition(b")")[2].split()
        return int(fields[19]) if len(fields) > 19 and fields[0] not in (b"Z", b"X") else None

    def every(self) -> Iterator[Stat]:
        """All processes that there are, in no order."""
        for name in os.listdir(self._root):
            if name.isdigit() and (stat := self.stat(int(name))) is not None:
                yield stat

    def children(self, pid: int) -> list[Stat]:
        """The direct children of a process, dead but unreaped ones included."""
        listed = self._listed_children(pid)
        if listed is None:
            return [stat for stat in self.every() if stat.parent == pid]
        return [stat for child in listed if (stat := self.stat(child)) is not None]

    def adopted(self, pid: int) -> list[Stat]:
        """The orphans that a process has taken in, unreaped ones included; other children may be among them.

        The kernel hands an orphan to the first living thread of its new parent, which is the main one; so
        this is quicker than ``children``, which asks for each thread.
        """
        children = f"{self._root}/{pid}/task/{pid}/children"
        listed = _read(children).split()
        if not listed and not self._lists_children:
            self._lists_children = os.path.exists(children)
            if not self._lists_children:
                return self.children(pid)
        return [stat for child in listed if (stat := self.stat(int(child))) is not None]

    def environment(self, pid: int) -> bytes:
        """What the process was executed with, NUL after each entry; empty when unreadable or a zombie."""
        return _read(f"{self._root}/{pid}/environ")

    def living_members(self, session: int) -> list[int]:
        """The pids of all processes of a session that have not ended."""
        return [stat.pid for stat in self.every() if stat.session == session and not stat.zombie]

    def _listed_children(self, pid: int) -> list[int] | None:
        """What the kernel lists for each thread; None where it is built without CONFIG_PROC_CHILDREN."""
        tasks = f"{self._root}/{pid}/task"
        if not os.path.exists(f"{tasks}/{pid}/children"):
            return None
        return [
            int(child) for task in os.listdir(tasks) for child in _read(f"{tasks}/{task}/children").split()
        ]


def _read(path: str) -> bytes:
    """The whole file; empty when it cannot be read, as when the process has just ended."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        parts = []
        while part := os.read(descriptor, _READ_SIZE):
            parts.append(part)
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
