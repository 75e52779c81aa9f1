"""Reads the library exchange_calendars: a program of its own that imports nothing of ours, to be quick.

    python calendar_reader.py XNYS 2026-01-01 2027-01-01

writes one line of JSON, as :class:`workers.feed.live.kept.Read` has it: the days that the library knows, and
the sessions on them in UTC milliseconds; or why there are none.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

SHORT: Final = timedelta(days=40)


def read(name: str, first: date, last: date) -> dict[str, Any]:
    """Return what the library has of these days, or of fewer where it knows no more."""
    # Late: it takes seconds, and may be missing.
    import exchange_calendars

    if name not in exchange_calendars.get_calendar_names():
        return {"why": "no such calendar; a name is an exchange's MIC such as XNYS"}
    why = ""
    for since, until in _narrower(first, last):
        try:
            table = exchange_calendars.get_calendar(name, start=since, end=until).schedule
        except (ValueError, NotImplementedError) as error:
            why = why or f"exchange_calendars cannot make it: {error}"[:300]
        else:
            sessions = [it for row in table.itertuples() for it in _halves(row)]
            return {"span": {"first": str(since), "last": str(until), "sessions": sessions}}
    return {"why": why}


def _narrower(first: date, last: date) -> Iterator[tuple[date, date]]:
    # Of some the holidays are known to the end of the year only, of others old sessions are out of order.
    today = datetime.now(UTC).date()
    ends = (last, date(today.year, 12, 31))
    yield from ((first, end) for end in ends)
    yield from ((max(first, today - SHORT), end) for end in ends)


def _halves(row: Any) -> tuple[tuple[int, int], ...]:
    opens, closes = _ms(row.open), _ms(row.close)
    # A market without a break at noon has no time there.
    if row.break_start != row.break_start:
        return ((opens, closes),)
    return ((opens, _ms(row.break_start)), (_ms(row.break_end), closes))


def _ms(at: Any) -> int:
    return round(float(at.timestamp()) * 1000)


def main(name: str, first: str, last: str) -> None:
    """Write what the library has to the standard output."""
    warnings.simplefilter("ignore")
    json.dump(read(name, date.fromisoformat(first), date.fromisoformat(last)), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
