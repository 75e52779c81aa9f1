"""The small rules, each by itself, and properties that hold whatever comes."""

from __future__ import annotations

import csv
import gzip
from datetime import date, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.exchange.capture import DATA
from workers.feed.exchanges.events import Kline, Print
from workers.feed.live.builder import Builder
from workers.feed.live.finality import Finality
from workers.feed.live.hours import Hours
from workers.feed.live.identity import REMEMBERED, TradeIds
from workers.feed.live.order import Hole, Order, Slot
from workers.feed.live.resample import Resampler

MINUTE = 60_000


def candle(minute: int, close: int = 100, **more: bool) -> Kline:
    price = Decimal(close)
    return Kline.of(minute * MINUTE, (price, price, price, price, Decimal(1)), **more)


@pytest.mark.req("F6")
def test_candles_made_of_the_recorded_trades_equal_the_recorded_candles() -> None:
    """All 2,469 bars of 2.5 days of XRP-ETH, in all five columns."""
    builder, made = Builder(MINUTE), list[Kline]()
    for row in rows("binance_XRP-ETH_trades_2019-10"):
        at_ms = int(row["ts_ms"])
        made += builder.closed(at_ms)
        builder.take(Print(row["trade_id"], Decimal(row["price"]), Decimal(row["amount"]), "buy", at_ms))
    made += builder.closed(2**50)
    columns = ("open", "high", "low", "close", "volume")
    wanted = [
        Kline.of(int(row["ts_ms"]), (Decimal(row[key]) for key in columns), closed=True)
        for row in rows("binance_XRP-ETH_1m_2019-10")
    ]

    assert 2469 == len(made)
    assert wanted == made


def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA / f"{name}.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


@pytest.mark.req("F6")
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 99), st.booleans()), max_size=60))
def test_whatever_order_finals_come_in_they_go_out_once_and_strictly_increasing(
    offers: list[tuple[int, int, bool]],
) -> None:
    """Holes hold back what is behind them; nothing is invented, nothing comes twice."""
    order, out = Order(MINUTE, -MINUTE), list[Slot]()
    for minute, close, backfilled in offers:
        order.offer(candle(minute, close), backfilled=backfilled)
        out += order.release()
    opens = [slot.open_ms for slot in out]

    assert opens == [n * MINUTE for n in range(len(opens))]
    first_seen = {minute: close for minute, close, _ in reversed(offers)}
    assert all(
        slot.kline == candle(slot.open_ms // MINUTE, first_seen[slot.open_ms // MINUTE]) for slot in out
    )
    there = {minute for minute, _, _ in offers}
    missing = [n for n in range(len(opens), 31) if n not in there]
    hole = order.owed(30 * MINUTE)
    assert (hole is None) == (not missing)
    assert hole is None or hole.start_ms == missing[0] * MINUTE


@pytest.mark.req("F6")
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9), st.booleans(), st.floats(0, 4)), max_size=40)
)
def test_a_candle_is_final_at_most_once_by_the_stream_until_it_is_flagged_again(
    seen: list[tuple[int, int, bool, float]],
) -> None:
    """Nothing is final before its flag, or before the next has begun and the grace is over."""
    finality, now, newest = Finality(MINUTE), 0.0, -1
    for minute, close, closed, passed in seen:
        now += passed
        finality.saw(candle(minute, close, closed=closed), now)
        newest = max(newest, minute)
        for kline, origin in finality.take(now):
            assert "stream" == origin
            assert kline.closed or kline.open_ms < newest * MINUTE


@pytest.mark.req("F6")
@given(st.integers(1, 700), st.integers(0, 300), st.sets(st.integers(0, 700)))
@settings(max_examples=50)
def test_resampled_candles_hold_exactly_their_minutes(count: int, first: int, quiet: set[int]) -> None:
    """Every complete quarter of an hour is the sum of its minutes; quiet minutes add nothing."""
    resampler, made = Resampler(MINUTE, 15 * MINUTE), list[Slot]()
    for minute in range(first, first + count):
        kline = None if minute in quiet else candle(minute, 100 + minute % 7)
        slot = resampler.take(Slot(minute * MINUTE, kline, backfilled=False))
        made += [slot] if slot is not None and slot.kline is not None else []
    for slot in made:
        start = slot.open_ms // MINUTE
        inside = [100 + n % 7 for n in range(start, start + 15) if n not in quiet]
        assert slot.kline is not None
        prices = (inside[0], max(inside), min(inside), inside[-1], len(inside))
        assert slot.kline == Kline.of(slot.open_ms, map(Decimal, prices))
    whole = [n for n in range(-(-first // 15) * 15, first + count - 14, 15) if set(range(n, n + 15)) - quiet]
    assert [n * MINUTE for n in whole] == [slot.open_ms for slot in made]


@pytest.mark.req("F5")
def test_trade_ids_that_are_no_numbers_are_remembered_within_a_bound() -> None:
    """Bybit's ids are random: ten thousand are kept, so that memory does not grow."""
    ids = TradeIds()
    assert ids.fresh("a-1")
    assert not ids.fresh("a-1")
    for n in range(REMEMBERED):
        assert ids.fresh(f"b-{n}")

    assert ids.fresh("a-1")
    assert ["5-0", "5-1", "6-0"] == [ids.made(5), ids.made(5), ids.made(6)]


NEW_YORK = Hours(
    ZoneInfo("America/New_York"), time(9, 30), time(16), frozenset(range(5)), frozenset({date(2026, 11, 26)})
)
HOUR = 3_600_000


@pytest.mark.req("F9")
@pytest.mark.parametrize(
    ("at_ms", "is_open", "next_ms"),
    [
        (1_795_167_000_000, False, 1_795_185_000_000),  # Friday 2026-11-20 04:30 in New York -> 09:30
        (1_795_185_000_000, True, 1_795_208_400_000),  # 09:30 -> 16:00
        (1_795_208_400_000, False, 1_795_444_200_000),  # 16:00 -> Monday 09:30
        (1_795_703_400_000, False, 1_795_789_800_000),  # Thanksgiving 09:30 -> Friday 09:30
    ],
)
def test_market_hours_know_zones_weekends_and_holidays(at_ms: int, is_open: bool, next_ms: int) -> None:
    """The edges belong to the session that begins, and the next change is told."""
    assert is_open == NEW_YORK.open_at(at_ms)
    assert next_ms == NEW_YORK.next_change_ms(at_ms)


@pytest.mark.req("F9")
def test_a_session_may_reach_into_the_next_day() -> None:
    """Opens 18:00, closes 17:00 the next day: shut for one hour only."""
    hours = Hours(ZoneInfo("UTC"), time(18), time(17), frozenset(range(7)))

    assert [True] * 17 + [False] + [True] * 6 == [hours.open_at(n * HOUR) for n in range(24)]


@pytest.mark.req("F7")
def test_a_hole_ends_where_a_candle_waits() -> None:
    """What waits behind a hole bounds it."""
    order = Order(MINUTE, 0)
    order.offer(candle(4), backfilled=False)

    assert Hole(MINUTE, 3) == order.owed(10 * MINUTE)
