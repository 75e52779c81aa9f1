"""Candles of markets that close: which belong to a session, and when its last one is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from tests.workers.feed.live.bench import MINUTE, Bench, kline
from workers.feed.config import TIMEFRAME_MS
from workers.feed.live.hours import Hours

STOCKS = Hours(ZoneInfo("America/New_York"), time(9, 30), time(16), frozenset(range(5)))
"""From 14:30 to 21:00 UTC in winter, from 13:30 to 20:00 in summer."""
HOUR_S = 3600.0


def ms(date: str) -> int:
    return round(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1000)


def times(tried: Bench) -> list[str]:
    return [datetime.fromtimestamp(it.open_ms / 1000, tz=UTC).strftime("%d %H:%M") for it in tried.candles]


def history(query: Mapping[str, str], now_ms: int) -> str:
    """Answer with candles of sessions only, of whatever interval, in the form of Bitfinex or of Binance."""
    length_ms = TIMEFRAME_MS.get(query.get("interval", "1m").replace("d", "D"), MINUTE)
    first_ms = -(-int(query.get("startTime", query.get("start", 0))) // length_ms) * length_ms
    opens = range(first_ms, min(first_ms + int(query["limit"]) * length_ms, now_ms), length_ms)
    traded = [at for at in opens if any(map(STOCKS.open_at, range(at, at + length_ms, 30 * MINUTE)))]
    if "interval" in query:
        return json.dumps([[at, "100", "100", "100", "100", "5", at + length_ms - 1] for at in traded])
    return json.dumps([[at, 100, 100, 100, 100, 5] for at in traded])


@pytest.mark.req("F9", "F6")
@pytest.mark.parametrize(
    ("timeframe", "wanted"),
    [
        ("1D", ["09 00:00", "10 00:00", "13 00:00"]),
        ("4h", ["09 20:00", "10 12:00", "10 16:00", "10 20:00", "13 12:00", "13 16:00", "13 20:00"]),
    ],
)
def test_a_candle_that_is_longer_than_a_session_or_reaches_into_one_belongs_to_it(
    timeframe: str, wanted: list[str]
) -> None:
    """A day of stocks begins and ends in closed hours; it goes out, and the weekend's do not."""
    tried = Bench(
        timeframe=timeframe, settings={"hours": STOCKS, "history": 1, "poll_s": 600.0},
        wall_ms=ms("2023-11-10T01:00"), history=history,
    )  # fmt: skip
    tried.run(96 * HOUR_S)

    assert wanted == times(tried)
    assert 0 == tried.count("gaps")


@pytest.mark.req("F9", "F6")
def test_the_last_candle_of_a_session_goes_out_after_its_close_and_not_at_the_next_opening() -> None:
    """Where no flag closes it (Kraken, Bitfinex) REST tells; it is not asked for hours without trading."""
    tried = Bench(settings={"hours": STOCKS}, wall_ms=ms("2023-11-14T20:57"), history=history)
    tried.stream(lambda at: kline(at // MINUTE * MINUTE), 1.0, 180.0)
    tried.run(200)

    assert ["14 20:57", "14 20:58", "14 20:59"] == times(tried)
    assert 1 <= len(tried.asked()) <= 2
    before = len(tried.asked())
    tried.run(12 * HOUR_S)

    assert before == len(tried.asked())
    assert 3 == len(tried.candles)
    assert "no" == tried.count("gap")


@pytest.mark.req("F9", "F6")
def test_longer_candles_made_of_minutes_are_whole_though_a_part_of_them_is_closed() -> None:
    """The first begins before the opening, the last ends after the close: nothing of either is missing."""
    tried = Bench(
        "bitfinex", timeframe="4h", settings={"hours": STOCKS, "poll_s": 300.0},
        wall_ms=ms("2023-11-10T12:00"), history=history,
    )  # fmt: skip
    tried.run(96 * HOUR_S)

    assert ["10 12:00", "10 16:00", "10 20:00", "13 12:00", "13 16:00", "13 20:00"] == times(tried)
    assert [90, 240, 60] * 2 == [it.volume / 5 for it in tried.candles]


@pytest.mark.req("F9", "F6")
def test_the_clocks_go_back_between_two_sessions() -> None:
    """On 2023-11-05 New York leaves daylight saving: Monday's first candle opens an hour later in UTC."""
    tried = Bench(
        settings={"hours": STOCKS, "poll_s": 300.0}, wall_ms=ms("2023-11-03T19:58"), history=history
    )
    tried.run(67 * HOUR_S)

    assert ["03 19:58", "03 19:59", "06 14:30", "06 14:31"] == times(tried)[:4]
    assert 0 == tried.count("gaps")
