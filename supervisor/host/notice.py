"""What a program says by systemd's notify protocol: one datagram of ``KEY=value`` lines. Pure.

Keys that mean nothing here (MAINPID, FDSTORE, BARRIER, those that begin with X_, ...) are passed over, as the
protocol wants it. A datagram with anything in it that is no such line is refused whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LARGEST: Final = 4096
"""Bytes of a datagram, as in systemd (PIPE_BUF there)."""
LONGEST_STATUS: Final = 256
"""Characters of a status text that are kept."""

_KEY: Final = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)
_UNSHOWABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of writing: they could forge lines on a terminal."""


class Garbled(ValueError):
    """A datagram that is not of the protocol. ``kind`` is a short word for counting."""

    def __init__(self, kind: str, found: str) -> None:
        super().__init__(kind, found)
        self.kind, self.found = kind, found

    def __str__(self) -> str:
        return f"found {self.found}; allowed are lines KEY=value in UTF-8, at most {LARGEST} bytes in all"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What one datagram says. ``status`` None: nothing about it; an empty one takes the last one back.

    ``beat``: WATCHDOG=1; ``trigger``: WATCHDOG=trigger, by which a program calls itself hung.
    """

    ready: bool = False
    stopping: bool = False
    beat: bool = False
    trigger: bool = False
    status: str | None = None


def read_notice(datagram: bytes) -> Notice:
    """Read a datagram. Raises Garbled."""
    said = _lines(datagram)
    status = said.get("STATUS")
    return Notice(
        ready=said.get("READY") == "1",
        stopping=said.get("STOPPING") == "1",
        beat=said.get("WATCHDOG") == "1",
        trigger=said.get("WATCHDOG") == "trigger",
        status=None if status is None else showable(status),
    )


def showable(text: str) -> str:
    """Make a foreign text fit for one line of a terminal; a long one is cut."""
    return _UNSHOWABLE.sub(" ", text).strip()[:LONGEST_STATUS]


def _lines(datagram: bytes) -> Mapping[str, str]:
    """Return key and value of each line; of a key that comes twice the last one counts."""
    if len(datagram) > LARGEST:
        raise Garbled("Oversized", f"{len(datagram)} bytes")
    try:
        text = datagram.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Garbled("NotText", f"byte {error.start} not UTF-8") from error
    said: dict[str, str] = {}
    for line in filter(None, text.split("\n")):
        key, equals, value = line.partition("=")
        if not equals or not _KEY.fullmatch(key):
            raise Garbled("NoAssignment", f"the line {line[:40]!r}")
        said[key] = value
    if not said:
        raise Garbled("Empty", "an empty datagram")
    return said
