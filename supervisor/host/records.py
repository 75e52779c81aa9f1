"""From what a child wrote to records: the bytes of a pipe -> lines -> one JSON object a line.

A line that begins with 0x1E is a record of a Python worker (RFC 7464); every other line is wrapped. The mark
also ends whatever stands before it without a line's end: what a user's code prints never swallows a record.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from supervisor.host.secrets import Scrubber

Record = dict[str, Any]

MARK: Final = b"\x1e"
_GLUED: Final = re.compile(b"(?<=[^\n])" + MARK)
LONGEST: Final = 64 * 1024
CUT: Final = b" ... [line cut]"
_BAD_JSON: Final = (ValueError, TypeError, OverflowError, RecursionError)


class LineSplitter:
    """Cuts a stream of bytes into lines without their ends. Holds at most ``LONGEST`` bytes back."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False

    @property
    def unfinished(self) -> bool:
        """Whether something came without a line's end, and waits for it."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, yield the lines that are complete; an overlong line comes cut, with a mark."""
        *whole, rest = self._separated(data).split(b"\n")
        for part in whole:
            yield from self._end(part)
        if not self._skipping:
            self._rest += rest
        if len(self._rest) > LONGEST:
            yield self._cut()
            self._skipping = True

    def flush(self) -> Iterator[bytes]:
        """Yield what came without a line's end, when nothing more is to come."""
        if self._rest:
            yield from self._end(b"")

    def _separated(self, data: bytes) -> bytes:
        glued = data.startswith(MARK) and (self._rest or self._skipping)
        return (b"\n" if glued else b"") + _GLUED.sub(b"\n" + MARK, data)

    def _end(self, part: bytes) -> Iterator[bytes]:
        if self._skipping:
            self._skipping = False
            return
        self._rest += part
        yield self._cut() if len(self._rest) > LONGEST else bytes(self._rest)
        self._rest.clear()

    def _cut(self) -> bytes:
        line = bytes(self._rest[:LONGEST]) + CUT
        self._rest.clear()
        return line


class Encoder:
    """Makes the stored line of a record: the four fixed keys first, secrets masked."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._json = msgspec.json.Encoder(enc_hook=str)

    def line(self, record: Record) -> tuple[Record, bytes]:
        """Return the record as it may be shown, and its line. Raises one of ``_BAD_JSON``."""
        encoded = self._json.encode(record)
        if self._scrubber.found_in(encoded):
            record = self._scrubber.clean(record)
            encoded = self._json.encode(record)
        return record, encoded + b"\n"

    def safe_line(self, record: Record) -> tuple[Record, bytes]:
        """Like ``line``, for records that hold just anything: what JSON cannot hold is written as text."""
        try:
            return self.line(record)
        except _BAD_JSON:
            plain = {_as_text(key): _as_text(value) for key, value in record.items()}
            return self.line(plain)


def _as_text(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text.encode("utf-8", "replace").decode()


def complete(record: Record, process: str) -> Record:
    """Return the record with ``time``, ``level``, ``process`` and ``message`` in front, each a string."""
    given = record.get("time"), record.get("level"), record.get("message")
    at, level, message = (value if isinstance(value, str) else None for value in given)
    fixed = {"time": at or now(), "level": level or "INFO", "process": process, "message": message or ""}
    return {**fixed, **{key: value for key, value in record.items() if key not in fixed}}


def wrap(line: bytes, process: str) -> Record:
    """Make a record of a plain line of output."""
    text = line.rstrip(b"\r").decode("utf-8", "replace")
    return {"time": now(), "level": "INFO", "process": process, "message": text, "stream": "output"}


def parse(line: bytes, process: str) -> Record:
    """Make a record of any line a child wrote; a broken one is wrapped, never refused."""
    if not line.startswith(MARK):
        return wrap(line, process)
    try:
        found = msgspec.json.decode(line[1:])
        msgspec.json.encode(found)
    except _BAD_JSON:
        return wrap(line[1:], process)
    return complete(found, process) if isinstance(found, dict) else wrap(line[1:], process)


def now() -> str:
    """Return the time of day as records have it: UTC, milliseconds."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
