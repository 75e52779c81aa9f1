"""Has a calendar read, in a short-lived process: the library brings 65 MiB of pandas and takes 3 s."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from workers.feed.live.sessions import BadCalendar, Load, Span

EXTRA_MISSING: Final = "exchange_calendars is not installed: pip install 'supervisor-tree[calendar]'"
READER: Final = Path(__file__).with_name("calendar_reader.py")
LONGEST_S: Final = 60.0
"""The processor of a small machine may be busy with everything else that starts."""


class Read(msgspec.Struct, frozen=True):
    """What the reader writes: a span, or why there is none."""

    span: Span | None = None
    why: str = ""


def installed() -> bool:
    """Whether the extra is there; nothing is imported to find out."""
    return importlib.util.find_spec("exchange_calendars") is not None


def kept_calendar(name: str) -> Load:
    """Return what reads the calendar ``name``: an exchange's MIC such as XNYS. It raises BadCalendar."""

    def load(first: date, last: date) -> Span:
        command = [sys.executable, "-P", str(READER), name, first.isoformat(), last.isoformat()]
        try:
            done = subprocess.run(command, capture_output=True, timeout=LONGEST_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BadCalendar(name=name, found=f"cannot be read: {error}") from error
        return _span(name, done)

    return load


def _span(name: str, done: subprocess.CompletedProcess[bytes]) -> Span:
    try:
        found = msgspec.json.decode(done.stdout, type=Read)
    except msgspec.MsgspecError as error:
        words = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise BadCalendar(name=name, found=f"cannot be read: {words[-1][:200]}") from error
    if found.span is None:
        raise BadCalendar(name=name, found=found.why)
    return found.span
