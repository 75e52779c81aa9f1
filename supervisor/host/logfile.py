"""A log file that looks after itself: JSON lines, rotated by size and age, pruned by number and age.

``feed.jsonl`` is the current file, ``feed.<UTC stamp>.jsonl`` are the earlier ones. A full disk or an
unwritable directory never raises: what could not be written is counted, and told in the file once it can.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

DAY: Final = 86400.0
_STAMP: Final = "%Y%m%dT%H%M%S.%fZ"
_STAMPED: Final = r"\.\d{8}T\d{6}\.\d{6}Z\.jsonl"
_RETRY: Final = 1.0
"""Seconds between attempts while the disk refuses, so that a full disk costs next to nothing."""
_ROTATE_RETRY: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Retention:
    """When a file is rotated (bytes, seconds) and how many earlier ones are kept (number, seconds)."""

    max_bytes: int = 10 * 2**20
    max_age: float = DAY
    keep_files: int = 10
    keep_age: float = 30 * DAY


def rotated_files(directory: Path, name: str) -> list[Path]:
    """Return the earlier files of a log, oldest first; none when the directory cannot be read."""
    pattern = re.compile(re.escape(name) + _STAMPED)
    try:
        return sorted(path for path in directory.iterdir() if pattern.fullmatch(path.name))
    except OSError:
        return []


class LogFile:
    """The one writer of one log. Not thread-safe; ``clock`` gives the UTC time in seconds.

    ``add`` collects lines, ``flush`` writes them. ``dropped`` counts lines lost since the start.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        retention: Retention | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory, self.name = directory, name
        self.path = directory / f"{name}.jsonl"
        self.dropped = 0
        self._retention = retention or Retention()
        self._clock = clock
        self._pending: list[bytes] = []
        self._fd = -1
        self._inode = 0
        self._size = 0
        self._born = 0.0
        self._untold = 0
        self._torn = False
        self._retry_at = 0.0
        self._rotate_after = 0.0

    def add(self, line: bytes) -> None:
        """Take one line, with its newline, for the next ``flush``."""
        self._pending.append(line)

    def flush(self) -> bool:
        """Write what was added. Return whether that went well; what did not is dropped and counted."""
        lines, self._pending = self._pending, []
        if not lines:
            return True
        if 0 < self._retry_at - self._clock() <= _RETRY:
            return self._lose(len(lines))
        self._retry_at = 0.0
        try:
            self._make_ready(sum(map(len, lines)))
        except OSError:
            return self._lose(len(lines))
        return self._write(lines)

    def close(self) -> None:
        """Write what was added and let go of the file; the next ``flush`` opens it again."""
        self.flush()
        self._release()

    def _release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _make_ready(self, coming: int) -> None:
        if self._fd >= 0 and not self._is_current():
            self._release()
        if self._fd < 0:
            self._open()
        if self._is_due(coming):
            self._rotate()

    def _is_current(self) -> bool:
        """Whether the path still leads to the open file: a person may have moved or removed it."""
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._fd = os.open(self.path, flags, 0o640)
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):  # a pipe that somebody put there would block all logs for ever
            self._release()
            raise OSError(errno.EINVAL, "not a regular file", str(self.path))
        self._inode, self._size = status.st_ino, status.st_size
        self._born = self._time_of_first_line() or self._clock()
        # A crash may have torn the last line; the next one must not be glued to it.
        self._torn = self._size > 0 and os.pread(self._fd, 1, self._size - 1) != b"\n"

    def _time_of_first_line(self) -> float | None:
        try:
            first = msgspec.json.decode(os.pread(self._fd, 64 * 1024, 0).split(b"\n")[0])
            return datetime.fromisoformat(first["time"]).timestamp()
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def _is_due(self, coming: int) -> bool:
        too_large = self._size + coming > self._retention.max_bytes
        too_old = self._clock() - self._born >= self._retention.max_age
        waiting = 0 < self._rotate_after - self._clock() <= _ROTATE_RETRY
        return self._size > 0 and (too_large or too_old) and not waiting

    def _rotate(self) -> None:
        try:
            self.path.rename(self._next_stamped())
        except OSError:
            # The open file still takes lines where its directory takes no new names.
            self._rotate_after = self._clock() + _ROTATE_RETRY
            return
        self._release()
        self._open()
        self._prune()

    def _next_stamped(self) -> Path:
        """Name the file to be put away so that names sort by age, even when the clock was set back."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        if earlier := rotated_files(self.directory, self.name):
            last = earlier[-1].name.removeprefix(f"{self.name}.").removesuffix(".jsonl")
            at = max(at, datetime.strptime(last, _STAMP).replace(tzinfo=UTC) + timedelta(microseconds=1))
        return self._stamped(at)

    def _stamped(self, at: datetime) -> Path:
        return self.directory / f"{self.name}.{at.strftime(_STAMP)}.jsonl"

    def _prune(self) -> None:
        files = rotated_files(self.directory, self.name)
        oldest = self._stamped(datetime.fromtimestamp(self._clock() - self._retention.keep_age, UTC)).name
        surplus = len(files) - self._retention.keep_files
        for index, path in enumerate(files):
            if index < surplus or path.name < oldest:
                with suppress(OSError):
                    path.unlink()

    def _write(self, lines: list[bytes]) -> bool:
        told = [self._note()] if self._untold else []
        kept = self._append([*told, *lines])
        if told and kept:
            self._untold = 0
        lost = len(lines) - max(0, kept - len(told))
        return self._lose(lost) if lost else True

    def _append(self, lines: list[bytes]) -> int:
        """Return how many lines got in whole; a torn one is ended before the next."""
        data = b"".join([b"\n" if self._torn else b"", *lines])
        start = 1 if self._torn else 0
        written = 0
        with suppress(OSError):
            while written < len(data):
                written += os.write(self._fd, data[written:] if written else data)
        self._size += written
        if written:
            self._torn = data[written - 1 : written] != b"\n"
        return data[start:written].count(b"\n")

    def _note(self) -> bytes:
        at = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        note = {"time": at.replace("+00:00", "Z"), "level": "WARNING", "process": self.name}
        return msgspec.json.encode({**note, "message": "log lines lost", "lines": self._untold}) + b"\n"

    def _lose(self, lines: int) -> bool:
        self._retry_at = self._retry_at or self._clock() + _RETRY
        self.dropped += lines
        self._untold += lines
        return False
