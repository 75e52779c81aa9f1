"""One record as a person reads it: ``07:00:00 INFO    feed      candle closed  close=42000.5``."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_FIXED: Final = frozenset({"time", "level", "process", "message", "stream", "exception", "event"})
"""Not shown as facts: they stand elsewhere in the line, or (``event``) the message is made of them."""
_COLOURS: Final = ("36", "32", "35", "34", "33", "96", "92", "95", "94", "93")
_LEVELS: Final = {"WARNING": "33", "ERROR": "31", "CRITICAL": "1;31", "SUCCESS": "32", "DEBUG": "2"}
_UNSAFE: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 9}
"""Control characters are shown, not sent: a log line must not be able to drive the terminal."""


class Renderer:
    """Makes readable text of records; lines of one process have one colour everywhere."""

    def __init__(self, *, colour: bool) -> None:
        self.colour = colour

    def text(self, record: Mapping[str, Any]) -> str:
        """Return one record, its exception indented beneath, without a newline at the end."""
        level, process = str(record.get("level", "")), str(record.get("process", ""))
        head = " ".join(
            (
                self._paint(_clock_time(record.get("time")), "2"),
                self._paint(f"{_safe(level):<8}", _LEVELS.get(level, "")),
                self._paint(f"{_safe(process):<10}", _colour(process)),
                _safe(record.get("message", "")),
            )
        )
        return head + self._facts(record) + _exception(record.get("exception"))

    def _facts(self, record: Mapping[str, Any]) -> str:
        facts = [f"{_safe(key)}={_fact(value)}" for key, value in record.items() if key not in _FIXED]
        return f"  {self._paint(' '.join(facts), '2')}" if facts else ""

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text


def _colour(process: str) -> str:
    return _COLOURS[zlib.crc32(process.encode("utf-8", "replace")) % len(_COLOURS)]


def _clock_time(at: object) -> str:
    try:
        return datetime.fromisoformat(str(at)).astimezone().strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "--:--:--"


def _fact(value: object) -> str:
    if isinstance(value, str):
        return _safe(value) if value and " " not in value else json.dumps(value, ensure_ascii=False)
    return _safe(json.dumps(value, ensure_ascii=False, default=str))


def _exception(exception: object) -> str:
    if not exception:
        return ""
    return "".join(f"\n    {_safe(line)}" for line in str(exception).splitlines())


def _safe(value: object) -> str:
    return str(value).translate(_UNSAFE)
