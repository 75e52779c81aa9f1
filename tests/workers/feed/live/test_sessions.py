"""Opening hours from a kept calendar: the same promises as for configured hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.workers.feed.live.test_pieces import NEW_YORK
from workers.feed.live.hours import Calendar
from workers.feed.live.sessions import BadCalendar, Load, Sessions, kept_calendar

HOUR = 3_600_000
# The library warns of pandas to come.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def from_hours(first: date, last: date) -> Sequence[tuple[int, int]]:
    """Sessions of the configured hours: what a library would say of the same market."""
    found, at_ms = list[tuple[int, int]](), ms(f"{first}T00:00")
    while at_ms < ms(f"{last}T00:00"):
        opens = NEW_YORK.next_change_ms(at_ms)
        closes = None if opens is None else NEW_YORK.next_change_ms(opens)
        assert opens is not None and closes is not None
        found.append((opens, closes))
        at_ms = closes
    return found


def library() -> Load:
    pytest.importorskip("exchange_calendars", reason="the extra calendar is not installed")
    return kept_calendar("XNYS")


@pytest.mark.req("F9")
@pytest.mark.parametrize("make", [lambda: from_hours, library], ids=["fake", "library"])
@pytest.mark.parametrize(
    ("at", "is_open", "next_at"),
    [
        ("2026-11-20T09:30", False, "2026-11-20T14:30"),
        ("2026-11-20T14:30", True, "2026-11-20T21:00"),
        ("2026-11-20T21:00", False, "2026-11-23T14:30"),
        ("2026-11-26T14:30", False, "2026-11-27T14:30"),
    ],
)
def test_a_kept_calendar_knows_zones_weekends_and_holidays(
    make: object, at: str, is_open: bool, next_at: str
) -> None:
    """The same moments as for configured hours, by sessions told from outside."""
    assert callable(make)
    hours: Calendar = Sessions(make())

    assert is_open == hours.open_at(ms(at))
    assert ms(next_at) == hours.next_change_ms(ms(at))


@pytest.mark.req("F9")
def test_years_go_by_and_the_calendar_is_read_again_not_too_often() -> None:
    """Three years of hourly questions: right all the time, four or five readings."""
    readings = list[date]()

    def load(first: date, last: date) -> Sequence[tuple[int, int]]:
        readings.append(first)
        return [
            (ms(f"{first + timedelta(days=n)}T10:00"), ms(f"{first + timedelta(days=n)}T16:00"))
            for n in range((last - first).days)
        ]

    hours, start = Sessions(load), ms("2026-01-01T00:00")
    for n in range(0, 3 * 365 * 24, 5):
        assert (10 <= n % 24 < 16) == hours.open_at(start + n * HOUR)
        assert hours.next_change_ms(start + n * HOUR) is not None
    assert 4 <= len(readings) <= 5


@pytest.mark.req("F9")
def test_early_closes_pauses_and_unknown_names_as_the_library_has_them() -> None:
    """The day after Thanksgiving ends at 13:00, Tokyo rests at noon, and XXXX is a sentence."""
    pytest.importorskip("exchange_calendars", reason="the extra calendar is not installed")
    tokyo = Sessions(kept_calendar("XTKS"))

    assert ms("2026-11-27T18:00") == Sessions(library()).next_change_ms(ms("2026-11-27T15:00"))
    assert not tokyo.open_at(ms("2026-11-20T03:00"))
    assert tokyo.open_at(ms("2026-11-20T04:00"))
    with pytest.raises(BadCalendar, match=r"XXXX.*MIC such as XNYS"):
        kept_calendar("XXXX")
