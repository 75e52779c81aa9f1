"""The log of a worker: records as RFC 7464 JSON text sequences on stdout, or readable lines on a terminal.

The root reads the other end of the pipe and is the one writer of all log files. A slow reader must never stop
a worker, so the pipe is reopened non-blocking (the descriptor given may be shared) and what does not fit is
dropped, counted, and told later.
"""

from __future__ import annotations

import os
import stat
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from loguru import logger

from workers.shared.core import LogLine

if TYPE_CHECKING:
    from loguru import Message, Record

START_OF_RECORD = b"\x1e"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

Write = Callable[[bytes], int]
"""Like ``os.write`` on a non-blocking descriptor: the number of bytes taken, or BlockingIOError."""


class Sink:
    """Writes whole records through ``write``, never waits, and drops what does not fit.

    A record that was begun is finished before any other is. Called under loguru's lock.
    """

    def __init__(self, write: Write, process: str) -> None:
        self._write = write
        self._process = process
        self._begun = b""
        self.dropped = 0

    def __call__(self, message: Message) -> None:
        """Write one record; loguru's sink."""
        self.put(message.record["time"], message.record["level"].name, facts_of(message.record))

    def put(self, time: datetime, level: str, facts: dict[str, Any]) -> None:
        """Write one record made of ``facts`` (``message`` among them)."""
        if self.dropped and self._send(self._frame(time, "WARNING", self._confession())):
            self.dropped = 0
        if not self._send(self._frame(time, level, facts)):
            self.dropped += 1

    def flush(self) -> bool:
        """Push out the rest of a record that was begun; True when nothing is left."""
        self._begun = self._begun[self._taken(self._begun) :]
        return not self._begun

    def _confession(self) -> dict[str, Any]:
        return {"message": "log records dropped", "count": self.dropped}

    def _frame(self, time: datetime, level: str, facts: dict[str, Any]) -> bytes:
        line = {"time": iso(time), "level": level, "process": self._process, **facts}
        return START_OF_RECORD + msgspec.json.encode(line, enc_hook=str) + b"\n"

    def _send(self, frame: bytes) -> bool:
        """Return whether ``frame`` will go out whole; False: nothing of it was written."""
        if not self.flush():
            return False
        taken = self._taken(frame)
        self._begun = frame[taken:] if taken else b""
        return taken > 0

    def _taken(self, data: bytes) -> int:
        """Write what the reader takes now and return how many bytes that were."""
        taken = 0
        while taken < len(data):
            try:
                taken += self._write(data[taken:])
            except OSError:  # full, or the reader is gone: counted by the caller
                break
        return taken


def configure(process: str) -> None:
    """Send all of loguru's records of this process, from INFO up, to stdout."""
    logger.remove()
    logger.configure(extra={}, patcher=None)
    descriptor = _own_stdout()
    if os.isatty(descriptor):
        logger.add(_terminal(process), level=0, format="{message}", filter=_threshold)
    else:
        _state.sink = Sink(lambda data: os.write(descriptor, data), process)
        logger.add(_state.sink, level=0, format="{message}", filter=_threshold, catch=False)
    set_level("INFO")


def set_level(level: str) -> None:
    """Write records of ``level`` and above from now on."""
    _state.threshold = logger.level(level).no


def flush() -> None:
    """Finish a record that was begun, if the reader takes it now."""
    if _state.sink is not None:
        _state.sink.flush()


def emit(line: LogLine) -> None:
    """Log what a core said."""
    logger.bind(**line.facts).log(line.level, "{}", line.message)


def facts_of(record: Record) -> dict[str, Any]:
    """Return the message, the bound facts and the traceback of a record, in the order of the log file."""
    facts: dict[str, Any] = {"message": record["message"], **record["extra"]}
    if record["exception"] is not None:
        facts["exception"] = "".join(traceback.format_exception(record["exception"].value))
    return facts


def iso(time: datetime) -> str:
    """Return ``time`` as UTC with milliseconds: ``2026-11-20T07:00:00.000Z``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_ms(time_ms: int) -> str:
    """Return UTC milliseconds in the form of :func:`iso`."""
    return iso(datetime.fromtimestamp(time_ms / 1000, tz=UTC))


class _State:
    threshold = 0
    sink: Sink | None = None


_state = _State()


def _threshold(record: Record) -> bool:
    return record["level"].no >= _state.threshold


def _own_stdout() -> int:
    """Return a descriptor for what stdout is, with flags of its own where it is a pipe."""
    stdout = 1
    if not stat.S_ISFIFO(os.fstat(stdout).st_mode):
        return stdout
    try:
        return os.open(f"/proc/self/fd/{stdout}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # no /proc: better a log that may block than none
        return stdout


def _terminal(process: str) -> Callable[[Message], None]:
    def write(message: Message) -> None:
        sys.stdout.write(readable(message.record, process) + "\n")
        sys.stdout.flush()

    return write


def readable(record: Record, process: str) -> str:
    """Return a record as one line for people, the traceback beneath it."""
    facts = facts_of(record)
    message, trace = facts.pop("message"), facts.pop("exception", None)
    pairs = " ".join(f"{key}={value}" for key, value in facts.items())
    head = (
        f"{record['time'].astimezone(UTC):%H:%M:%S} {record['level'].name:<8} {process:<9} {message} {pairs}"
    )
    return head.rstrip() + (f"\n{trace}" if trace else "")
