"""What comes round: over restarts, downtime, clocks set back, and changes to and from summer time."""

from __future__ import annotations

import sys
import zoneinfo
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.notifier.config import NotifierConfig
from workers.notifier.schedule import AGAIN_MS, Daily, Every, zone_of

HOUR = 3_600_000
DAY = 24 * HOUR
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu")
START = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp() * 1000)


def ms(zone: str, *when: int, fold: int = 0) -> int:
    """Return a local time as UTC milliseconds."""
    year, month, day, hour, minute = when
    local = datetime(year, month, day, hour, minute, fold=fold, tzinfo=ZoneInfo(zone))
    return int(local.timestamp() * 1000)


@pytest.mark.req("N3")
@settings(max_examples=60)
@given(
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 1439),
    start=st.integers(0, 15 * 365).map(lambda day: START + day * DAY),
)
def test_once_on_every_day_of_the_calendar(zone: str, minute: int, start: int) -> None:
    """Through every change of clocks: no date without one, none with two, at the hour wherever it exists."""
    daily = Daily(minute, zone)
    at, seen = daily.next_after(start), []
    for _ in range(400):
        seen.append(datetime.fromtimestamp(at / 1000, tz=ZoneInfo(zone)))
        later = daily.next_after(at)
        assert at < later <= at + 49 * HOUR
        at = later

    dates = [one.date() for one in seen]
    assert len(set(dates)) == len(dates)
    odd = [one for one in seen if one.hour * 60 + one.minute != minute]
    assert len(odd) <= 3  # days on which that minute was skipped
    gaps = [(b - a).days for a, b in pairwise(dates)]
    assert all(gap == 1 for gap in gaps) or zone == "Pacific/Apia"  # it once left a whole day out


@pytest.mark.req("N3")
@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ((2026, 3, 29, 0, 0), ms("UTC", 2026, 3, 29, 1, 30)),  # 02:30 does not exist: 03:30 summer time
        ((2026, 10, 25, 0, 0), ms("Europe/Berlin", 2026, 10, 25, 2, 30)),  # twice: the first
    ],
)
def test_the_hours_that_are_skipped_or_doubled(when: tuple[int, ...], expected: int) -> None:
    """Half past two in Berlin on the two days when it is odd."""
    assert Daily(150, "Europe/Berlin").next_after(ms("Europe/Berlin", *when)) == expected


@pytest.mark.req("N3")
@settings(max_examples=60)
@given(
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 1439),
    away=st.lists(st.integers(1, 10 * DAY), min_size=1, max_size=10),
)
def test_whatever_was_missed_is_due_once(zone: str, minute: int, away: list[int]) -> None:
    """After any time away it is due exactly if an occurrence lies in between, and then once."""
    daily, now = Daily(minute, zone), START + 14 * 365 * DAY
    daily.begin(now)
    for gap in away:
        missed = daily.next_after(now) <= now + gap
        now += gap
        daily.begin(now)
        assert daily.take(now) == missed
        assert not daily.take(now)


@pytest.mark.req("N3")
@pytest.mark.parametrize("job", [Every(2 * HOUR), Daily(0)], ids=["every", "daily"])
def test_what_failed_is_due_again_an_hour_later(job: Every | Daily) -> None:
    """Not at once, and not only the next time round."""
    job.begin(START)
    at = START + 2 * DAY
    assert job.take(at)
    job.failed(at)

    assert job.remaining_ms(at) == AGAIN_MS
    assert not job.take(at + AGAIN_MS - 1)
    assert job.take(at + AGAIN_MS)
    assert job.remaining_ms(at + AGAIN_MS) != AGAIN_MS or isinstance(job, Every)


@pytest.mark.parametrize("job", [Every(HOUR), Daily(0)], ids=["every", "daily"])
def test_a_clock_set_back_does_not_silence_it(job: Every | Daily) -> None:
    """Counting begins anew."""
    job.begin(START + 500 * DAY)
    job.begin(START)

    remaining = job.remaining_ms(START)
    assert remaining is not None
    assert remaining <= DAY


def test_another_hour_in_the_configuration_makes_nothing_due() -> None:
    """It counts from the next time on."""
    daily = Daily(600)
    daily.begin(START)
    daily.set(0, "Europe/Berlin")
    daily.begin(START + HOUR)

    assert not daily.take(START + HOUR)
    assert Every(0, last_ms=5).remaining_ms(10**12) is None


def test_utc_needs_no_files_of_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without them, such as a small container, runs with the defaults."""
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath(to=[])
    try:
        zone_of.cache_clear()
        NotifierConfig()
        assert Daily(60).next_after(START) == START + HOUR
        with pytest.raises(ValueError, match="time_zone must be a name that this machine knows"):
            NotifierConfig(time_zone="Europe/Madrid")
    finally:
        zoneinfo.reset_tzpath()
