"""Opening hours from a kept calendar: the same promises as for configured hours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.workers.feed.live.bench import MINUTE, Bench, kline
from tests.workers.feed.live.test_pieces import NEW_YORK
from workers.feed.__main__ import preflight
from workers.feed.config import FeedConfig, check
from workers.feed.live import kept
from workers.feed.live.hours import Calendar
from workers.feed.live.kept import kept_calendar
from workers.feed.live.sessions import BadCalendar, Load, Sessions, Span
from workers.shared.config import BadConfig

HOUR = 3_600_000


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def from_hours(first: date, last: date) -> Span:
    """Sessions of the configured hours: what a library would say of the same market."""
    found, at_ms = list[tuple[int, int]](), ms(f"{first}T00:00")
    while at_ms < ms(f"{last}T00:00"):
        opens = NEW_YORK.next_change_ms(at_ms)
        closes = None if opens is None else NEW_YORK.next_change_ms(opens)
        assert opens is not None and closes is not None
        found.append((opens, closes))
        at_ms = closes
    return Span(first, last, found)


def library(name: str = "XNYS") -> Load:
    if not kept.installed():
        pytest.skip("the extra calendar is not installed")
    return kept_calendar(name)


def at_once(read: Callable[[], None]) -> None:
    read()


@pytest.mark.req("F9")
@pytest.mark.parametrize("make", [lambda: from_hours, library], ids=["fake", "library"])
def test_a_kept_calendar_knows_zones_weekends_holidays_and_daylight_saving(make: Callable[[], Load]) -> None:
    """The edges belong to the session that begins; in summer New York opens an hour earlier in UTC."""
    hours: Calendar = Sessions("XNYS", make(), ms("2026-11-20T00:00"), at_once)

    for at, is_open, next_at in (
        ("2026-11-20T09:30", False, "2026-11-20T14:30"),
        ("2026-11-20T14:30", True, "2026-11-20T21:00"),
        ("2026-11-20T21:00", False, "2026-11-23T14:30"),
        ("2026-11-26T14:30", False, "2026-11-27T14:30"),
        ("2026-06-15T13:29", False, "2026-06-15T13:30"),
        ("2026-06-15T13:30", True, "2026-06-15T20:00"),
        ("2027-03-12T15:00", True, "2027-03-12T21:00"),
        ("2027-03-15T13:00", False, "2027-03-15T13:30"),
    ):
        assert (at, is_open) == (at, hours.open_at(ms(at)))
        assert (at, ms(next_at)) == (at, hours.next_change_ms(ms(at)))


@pytest.mark.req("F9")
def test_half_days_and_rests_at_noon_are_as_the_library_has_them() -> None:
    """The day after Thanksgiving ends at 13:00, Tokyo rests at noon, Shanghai is known for a year."""
    at_ms = ms("2026-11-20T00:00")
    new_york, tokyo = (Sessions(name, library(name), at_ms, at_once) for name in ("XNYS", "XTKS"))

    assert ms("2026-11-27T18:00") == new_york.next_change_ms(ms("2026-11-27T15:00"))
    assert [True, False, True] == [tokyo.open_at(ms(f"2026-11-20T0{hour}:00")) for hour in (2, 3, 4)]
    assert Sessions("XSHG", library("XSHG"), at_ms, at_once).open_at(ms("2026-11-20T02:00"))


def daily(readings: list[date], until: date = date.max) -> Load:
    """Return a calendar open from 10 to 16 each day, which tells what it is asked for."""

    def load(first: date, last: date) -> Span:
        readings.append(first)
        last = min(last, until)
        days = ((first + timedelta(days=n)) for n in range((last - first).days))
        return Span(first, last, [(ms(f"{day}T10:00"), ms(f"{day}T16:00")) for day in days])

    return load


@pytest.mark.req("F9")
def test_years_go_by_and_the_calendar_is_read_again_not_too_often() -> None:
    """Three years of questions: right all the time, read twice a year, and never by who asks."""
    readings, waiting = list[date](), list[Callable[[], None]]()
    start = ms("2026-01-01T00:00")
    hours = Sessions("DAILY", daily(readings), start, waiting.append)
    for n in range(0, 3 * 365 * 24, 5):
        assert (10 <= n % 24 < 16) == hours.open_at(start + n * HOUR)
        assert hours.next_change_ms(start + n * HOUR) is not None
        while waiting and n % 24 == 0:
            waiting.pop()()

    assert 6 >= len(readings) >= 5


@pytest.mark.req("F9")
def test_a_calendar_that_ends_is_tried_once_a_day_and_then_a_person_must_look() -> None:
    """The library knows the holidays of some exchanges for this year only; nothing is guessed."""
    readings = list[date]()
    hours = Sessions("XSHG", daily(readings, date(2026, 12, 31)), ms("2026-12-20T00:00"), at_once)
    for n in range(11 * 4):
        hours.open_at(ms("2026-12-20T00:00") + n * 6 * HOUR)

    assert 11 == len(readings)
    assert ms("2026-12-31T00:00") == hours.next_change_ms(ms("2026-12-30T17:00"))
    with pytest.raises(BadCalendar, match=r"'XSHG': known until 2026-12-31 only: install a newer"):
        hours.open_at(ms("2026-12-31T00:00"))


@pytest.mark.req("F9")
def test_before_all_that_is_known_nothing_is_left_out() -> None:
    """Candles of then are asked for; those that never were are no gap where the exchange has none."""
    hours = Sessions("DAILY", daily([]), ms("2026-01-01T00:00"), at_once)

    assert hours.open_at(ms("2020-01-01T00:00"))


@pytest.mark.req("F9")
def test_a_feed_with_a_kept_calendar_is_not_stale_while_its_market_is_closed() -> None:
    """Hours of silence after the close ends nothing, and leaves no gap."""
    start = ms("2026-11-20T20:58")
    hours = Sessions("XNYS", from_hours, start, at_once)
    tried = Bench(wall_ms=start, settings={"hours": hours})
    tried.stream(lambda at: kline(at // MINUTE * MINUTE), 1.0, 125.0)
    tried.run(3 * 3600.0)

    assert ("market closed", 0, 2) == tuple(tried.count(it) for it in ("connection", "gaps", "candles"))


@pytest.mark.req("S12")
def test_a_missing_extra_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says what to install."""
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    config = FeedConfig(source="exchange", calendar="XNYS")

    with pytest.raises(BadConfig, match=r"feed.config.calendar.*pip install 'supervisor-tree\[calendar\]'"):
        check(config, "feed")


@pytest.mark.req("S12")
def test_hours_and_a_calendar_contradict_each_other() -> None:
    """One of them must go."""
    hours = {"timezone": "UTC", "opens": "09:30:00", "closes": "16:00:00"}
    written = {"source": "exchange", "calendar": "XNYS", "hours": hours}
    [problem] = preflight("feed", written, ".", ".")

    assert "feed.config.calendar" in problem
    assert "leave one of them out" in problem


@pytest.mark.req("S12")
def test_a_calendar_that_nobody_knows_is_told_before_the_start() -> None:
    """``supervisor check`` reads it once."""
    library("XXXX")
    [problem] = preflight("feed", {"source": "exchange", "calendar": "XXXX"}, ".", ".")

    assert () == preflight("feed", {"source": "exchange", "calendar": "XNYS"}, ".", ".")
    assert "'XXXX': no such calendar; a name is an exchange's MIC such as XNYS" in problem


@pytest.mark.req("F9")
def test_a_reader_that_says_nothing_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been killed."""
    monkeypatch.setattr(kept, "READER", Path("no_such_program.py"))

    with pytest.raises(BadCalendar, match=r"'XNYS': cannot be read: .*no_such_program\.py"):
        kept_calendar("XNYS")(date(2026, 1, 1), date(2026, 2, 1))
