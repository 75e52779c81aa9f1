"""The reading side of the logs: the last lines, filters, several processes in time order, following.

Works on the files alone, so also when no root runs. Lines that a crash has torn are passed over.
"""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from supervisor.host.logfile import rotated_files
from supervisor.host.render import Renderer

SYSTEM: Final = "system"
"""The log of everything, read when no process is named."""
LEVELS: Final = {
    "TRACE": 5, "DEBUG": 10, "INFO": 20, "SUCCESS": 25, "WARNING": 30, "ERROR": 40, "CRITICAL": 50,
}  # fmt: skip
_BLOCK: Final = 64 * 1024
_CURRENT: Final = re.compile(r"(?P<name>.+?)(\.\d{8}T\d{6}\.\d{6}Z)?\.jsonl")
_PLAIN: Final = Renderer(colour=False)


@dataclass(frozen=True)
class Line:
    """One stored line: as it is on disk, and decoded."""

    raw: bytes
    record: dict[str, Any]

    @property
    def time(self) -> str:
        """When it was said: ISO 8601, UTC, so that text order is time order."""
        return str(self.record.get("time", ""))


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which lines are wanted. ``since`` and ``until`` are compared as text, in the form that lines have."""

    since: str | None = None
    until: str | None = None
    level: str | None = None
    grep: re.Pattern[str] | None = None

    def takes(self, line: Line) -> bool:
        """Whether a line is wanted."""
        if self.since is not None and line.time < self.since:
            return False
        if self.until is not None and line.time > self.until:
            return False
        if self.level is not None and LEVELS.get(str(line.record.get("level")), 20) < LEVELS[self.level]:
            return False
        return self.grep is None or self.grep.search(_PLAIN.text(line.record)) is not None


def processes(log_dir: Path) -> list[str]:
    """Return the names that have a log. Raises OSError when this user may not look."""
    try:
        found = [_CURRENT.fullmatch(path.name) for path in log_dir.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted({match["name"] for match in found if match})


def files_of(log_dir: Path, name: str) -> list[Path]:
    """Return all files of one log, the oldest first, the current one last."""
    return [*rotated_files(log_dir, name), log_dir / f"{name}.jsonl"]


def tail(log_dir: Path, names: Sequence[str], wanted: Filter, count: int | None) -> list[Line]:
    """Return the last ``count`` wanted lines (None: all) of these logs together, the oldest first."""
    newest_first = heapq.merge(
        *(_backwards(log_dir, name, wanted) for name in names), key=lambda line: line.time, reverse=True
    )
    lines = list(islice(newest_first, count))
    lines.reverse()
    return lines


def _backwards(log_dir: Path, name: str, wanted: Filter) -> Iterator[Line]:
    for path in reversed(files_of(log_dir, name)):
        for raw in _reversed_lines(path):
            line = decode(raw)
            if line is None:
                continue
            if wanted.since is not None and line.time < wanted.since:
                return
            if wanted.takes(line):
                yield line


def _reversed_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file from its end, in blocks: the last lines of a large file are near."""
    # Rotation may take the file away between the listing and this moment.
    with suppress(FileNotFoundError), path.open("rb") as file:
        position, rest = file.seek(0, 2), b""
        while position:
            start = max(0, position - _BLOCK)
            file.seek(start)
            head, *whole = (file.read(position - start) + rest).split(b"\n")
            position, rest = start, head
            yield from (line for line in reversed(whole) if line)
        if rest:
            yield rest


def decode(raw: bytes) -> Line | None:
    """Read one stored line; None when it is not a JSON object."""
    try:
        record = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None
    return Line(raw, record) if isinstance(record, dict) else None


class Follower:
    """Yields what is appended to some logs from now on, over any number of rotations.

    Ask ``poll`` again and again; it never waits. Call ``close`` at the end.
    """

    def __init__(self, log_dir: Path, names: Iterable[str], wanted: Filter) -> None:
        self._wanted = wanted
        self._logs = [_Followed(log_dir, name) for name in names]

    def poll(self) -> list[Line]:
        """Return the wanted lines that have come since the last call, in time order."""
        raws = (raw for log in self._logs for raw in log.poll())
        lines = [line for raw in raws if (line := decode(raw)) is not None and self._wanted.takes(line)]
        return sorted(lines, key=lambda line: line.time)

    def close(self) -> None:
        """Let go of the files."""
        for log in self._logs:
            log.close()


class _Followed:
    """One log, read on from where it ended; the inode tells which file that was."""

    def __init__(self, log_dir: Path, name: str) -> None:
        self._log_dir, self._name = log_dir, name
        self._current = log_dir / f"{name}.jsonl"
        self._file: BinaryIO | None = None
        self._inode: int | None = None
        self._rest = b""
        self._seen = set(rotated_files(log_dir, name))
        self._open(self._current)
        self._skip_to_end()

    def poll(self) -> Iterator[bytes]:
        yield from self._read()
        while _inode(self._current) not in (self._inode, None):
            # Between the read and the rename the writer may have added a line to the old file.
            yield from self._read()
            if self._go_on():
                yield from self._read()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def _go_on(self) -> bool:
        """Open the file that follows the one that was read; False when it was renamed meanwhile."""
        rotated = rotated_files(self._log_dir, self._name)
        inodes = [_inode(path) for path in rotated]
        if self._inode is not None and self._inode in inodes:
            self._seen.update(rotated[: inodes.index(self._inode) + 1])
        following = next((path for path in rotated if path not in self._seen), self._current)
        is_current = following == self._current
        opened = self._open(following, unless_after=rotated if is_current else None)
        if opened and not is_current:
            self._seen.add(following)
        return opened

    def _open(self, path: Path, *, unless_after: list[Path] | None = None) -> bool:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return False
        if unless_after is not None and rotated_files(self._log_dir, self._name) != unless_after:
            file.close()
            return False
        self.close()
        self._file, self._rest = file, b""
        self._inode = os.fstat(file.fileno()).st_ino
        return True

    def _skip_to_end(self) -> None:
        if self._file is not None:
            self._file.seek(0, 2)

    def _read(self) -> Iterator[bytes]:
        while self._file is not None and (data := self._file.read(_BLOCK)):
            *whole, self._rest = (self._rest + data).split(b"\n")
            yield from (line for line in whole if line)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
