"""What children said last, kept for the report of their exit."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict, deque
from typing import Any, Final

LINES: Final = 20
_INCARNATIONS: Final = 3
_LONGEST_WORD: Final = 500
_TRACEBACK: Final = "Traceback (most recent call last):"
_FATAL: Final = "Fatal Python error:"
_STACK: Final = "Current thread "
_FRAME: Final = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>\S+)')
_FRAMES: Final = 3
"""So many innermost calls are named: a library's may hide the line that called it."""
_ALARMING: Final = frozenset({"ERROR", "CRITICAL"})


class LastWord:
    """The last error that one incarnation told: its own record, the end of a traceback, or where it was when
    its stacks were written."""

    def __init__(self) -> None:
        self.word: str | None = None
        self._in_traceback = False
        self._fatal: str | None = None
        self._calls: list[str] | None = None

    def hear(self, record: dict[str, Any]) -> None:
        """Take the next record."""
        text = record["message"]
        if record.get("stream") == "output":
            self._hear_output(text)
        elif record["level"] in _ALARMING:
            last = (_exception_lines(record) or [""])[-1]
            self._say(f"{text}: {last}" if last not in text else text)

    def _hear_output(self, text: str) -> None:
        if self._calls is not None and self._hear_call(self._calls, text):
            return
        if _TRACEBACK in text:
            self._in_traceback = True
        elif text.startswith(_FATAL):
            self._fatal = text
            self._say(text)
        elif text.startswith(_STACK):
            self._calls = []
        elif self._in_traceback and text and not text[0].isspace():
            # The first line that is not indented names the exception.
            self._say(text)
            self._in_traceback = False

    def _hear_call(self, calls: list[str], text: str) -> bool:
        """Take a line of the stack of the main thread, the innermost call first; False when it has ended."""
        frame = _FRAME.match(text)
        if frame is None:
            self._calls = None
            return False
        if len(calls) < _FRAMES:
            calls.append(f"{frame['function']} ({frame['file']}, line {frame['line']})")
            self._say(f"{self._fatal or 'it was busy'} in {', called by '.join(calls)}")
        return True

    def _say(self, word: str) -> None:
        self.word = word[:_LONGEST_WORD]


class LastWords:
    """The last lines of each child and the last words of its latest incarnations. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, deque[str]] = {}
        self._words: dict[str, OrderedDict[int, LastWord]] = {}

    def hear(self, child: str, incarnation: int, record: dict[str, Any]) -> None:
        """Take the next record of a child."""
        with self._lock:
            self._lines.setdefault(child, deque(maxlen=LINES)).extend(_readable(record))
            words = self._words.setdefault(child, OrderedDict())
            words.setdefault(incarnation, LastWord()).hear(record)
            while len(words) > _INCARNATIONS:
                words.popitem(last=False)

    def lines(self, child: str) -> tuple[str, ...]:
        """Return the last lines, the newest at the end."""
        with self._lock:
            return tuple(self._lines.get(child, ()))

    def word(self, child: str, incarnation: int) -> str | None:
        """Return the last error of an incarnation, None when it told none."""
        with self._lock:
            words = self._words.get(child)
            word = words.get(incarnation) if words else None
            return word.word if word else None

    def forget(self, child: str) -> None:
        """Drop a child."""
        with self._lock:
            self._lines.pop(child, None)
            self._words.pop(child, None)


def _readable(record: dict[str, Any]) -> list[str]:
    if record.get("stream") == "output":
        return [record["message"]]
    return [f"{record['level']} {record['message']}", *_exception_lines(record)]


def _exception_lines(record: dict[str, Any]) -> list[str]:
    return str(record.get("exception") or "").strip().splitlines()
