"""Funding (R11): the rates of a file, and which of them are due. An unknown rate is never silently 0."""

from __future__ import annotations

import gzip
from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from workers.broker.errors import BadFundingFile

HEADER: Final = "ts_ms,rate"
SAME_EVENT_MS: Final = 60_000
"""Venues stamp a funding some milliseconds late: two within a minute are one."""
_ABSURD: Final = Decimal(1)


class Due(NamedTuple):
    """A funding time and its rate (None: unknown)."""

    at_ms: int
    rate: Decimal | None


class FundingSchedule:
    """Funding times in order. Immutable."""

    def __init__(self, rates: Sequence[Due] = ()) -> None:
        self._rates = tuple(rates)
        self._times = [due.at_ms for due in self._rates]

    def after(self, at_ms: int | None) -> int | None:
        """Return the first funding time after ``at_ms`` (None: of all); None when there is none."""
        index = 0 if at_ms is None else bisect_right(self._times, at_ms)
        return self._times[index] if index < len(self._times) else None

    @property
    def end_ms(self) -> int | None:
        """The last time that is known; None where there is none."""
        return self._times[-1] if self._times else None

    def due(self, after_ms: int | None, until_ms: int) -> tuple[Due, ...]:
        """Return what falls due after ``after_ms``, up to and including ``until_ms``."""
        first = 0 if after_ms is None else bisect_right(self._times, after_ms)
        return self._rates[first : bisect_right(self._times, until_ms)]


def load(path: Path) -> FundingSchedule:
    """Read a file of funding rates; ``.gz`` is unpacked. Raises BadFundingFile."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise BadFundingFile(path, getattr(error, "strerror", None) or type(error).__name__) from error
    lines = text.splitlines()
    if not lines or lines[0].strip() != HEADER:
        raise BadFundingFile(path, f"its first line is {lines[0][:60]!r}" if lines else "it is empty")
    rates = [_row(path, number, line) for number, line in enumerate(lines[1:], 2) if line.strip()]
    for before, after in pairwise(rates):
        if after.at_ms <= before.at_ms:
            raise BadFundingFile(path, f"{after.at_ms} follows {before.at_ms}")
    return FundingSchedule(rates)


def _row(path: Path, number: int, line: str) -> Due:
    at_ms, _, rate = line.partition(",")
    try:
        due = Due(int(at_ms), Decimal(rate.strip()) if rate.strip() else None)
    except (ValueError, InvalidOperation) as error:
        raise BadFundingFile(path, f"line {number} is {line[:60]!r}") from error
    if due.at_ms < 0 or (due.rate is not None and not (due.rate.is_finite() and abs(due.rate) < _ABSURD)):
        raise BadFundingFile(path, f"line {number} is {line[:60]!r}")
    return due
