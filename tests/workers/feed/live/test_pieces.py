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

from protocol.messages.tick import Mark, Trade
from tests.support.exchange.capture import DATA
from workers.feed.exchanges.events import BestQuote, Kline, MarkPrice, Print
from workers.feed.live.builder import Builder
from workers.feed.live.finality import Finality
from workers.feed.live.hours import Hours
from workers.feed.live.identity import REMEMBERED, TradeIds
from workers.feed.live.order import Hole, Order, Slot
from workers.feed.live.rejects import Rejects
from workers.feed.live.resample import Resampler
from workers.feed.live.skew import Skew
from workers.feed.live.ticks import MOST_HELD, Ticks

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
    assert ids.fresh("a-1", 0)
    assert not ids.fresh("a-1", 0)
    for n in range(REMEMBERED):
        assert ids.fresh(f"b-{n}", 0)

    assert ids.fresh("a-1", 0)
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


@pytest.mark.req("F5")
def test_the_skew_is_taken_from_the_middle_of_question_and_answer() -> None:
    """Half a second is in order, a millisecond more is too much, ahead or behind."""
    skew = Skew()
    skew.asked(0.0)
    found = []
    for exchange_ms in (1600, 1601, 600, 599):
        skew.told(exchange_ms, 1000, 1200, 0.0)
        found.append((skew.ms, skew.too_large))

    assert [(500, False), (501, True), (-500, False), (-501, True)] == found
    assert 300.0 == skew.measure_at


@pytest.mark.req("F5")
def test_without_an_answer_for_ten_minutes_the_youngest_message_of_five_counts() -> None:
    """Messages can only be late. Each five minutes are judged by themselves."""
    skew = Skew()
    skew.told(100, 0, 0, 0.0)
    skew.heard(900, 0, 599.0)
    skew.judge(2000.0)
    assert 100 == skew.ms
    for at_ms, now in ((-400, 600.0), (700, 601.0), (-900, 602.0)):
        skew.heard(at_ms, 0, now)
    skew.judge(899.0)
    assert 100 == skew.ms
    skew.judge(900.0)
    assert 700 == skew.ms
    skew.heard(-200, 0, 901.0)
    skew.judge(1201.0)
    assert -200 == skew.ms
    skew.heard(5000, 0, 1202.0)
    skew.told(30, 0, 0, 1203.0)
    skew.judge(9000.0)

    assert 30 == skew.ms


@pytest.mark.req("F5")
def test_rejections_are_told_once_a_second_a_kind_with_how_many_there_were() -> None:
    """None is lost in between, and one kind does not silence another."""
    rejects, told = Rejects(before=7), []
    for kind, now in (("a", 0.0), ("a", 0.5), ("b", 0.6), ("a", 0.999), ("a", 1.0), ("a", 2.0)):
        line = rejects.note(kind, "x" * 500, now)
        told.append(None if line is None else (line.facts["kind"], line.facts["count"]))

    assert [("a", 1), None, ("b", 1), None, ("a", 3), ("a", 1)] == told
    assert 7 + 6 == rejects.total


def sold(minute: float, price: int, number: int = 1) -> Print:
    return Print(str(number), Decimal(price), Decimal(1), "sell", round(minute * MINUTE))


@pytest.mark.req("F6")
def test_a_builder_leaves_out_what_it_has_not_seen_begin_and_what_comes_too_late() -> None:
    """Two seconds after its end a candle is out; a trade of it that comes then changes nothing."""
    builder = Builder(MINUTE, since_ms=MINUTE // 2)
    for minute, price in ((0.6, 1), (1.0, 10), (2.5, 30), (1.9, 12)):
        builder.take(sold(minute, price))
    assert () == builder.closed(2 * MINUTE + 1999)
    [first] = builder.closed(2 * MINUTE + 2000)
    builder.take(sold(1.95, 99))
    [second] = builder.closed(10 * MINUTE)

    assert first.closed
    assert (MINUTE, "10", "12") == (first.open_ms, str(first.open), str(first.close))
    assert (2 * MINUTE, "30") == (second.open_ms, str(second.close))
    assert () == builder.closed(99 * MINUTE)


@pytest.mark.req("F6")
def test_a_builder_gives_several_candles_oldest_first() -> None:
    """Whatever order their trades came in."""
    builder = Builder(MINUTE)
    for minute in (2.1, 0.1, 1.1):
        builder.take(sold(minute, 1))

    assert [0, MINUTE, 2 * MINUTE] == [kline.open_ms for kline in builder.closed(9 * MINUTE)]


@pytest.mark.req("F6")
def test_a_longer_candle_with_a_backfilled_minute_is_backfilled() -> None:
    """Wherever in it that minute lies."""
    resampler = Resampler(MINUTE, 5 * MINUTE)
    slots = [Slot(n * MINUTE, candle(n), backfilled=n in (1, 12)) for n in range(15)]
    made = [slot for slot in map(resampler.take, slots) if slot is not None]

    assert [True, False, True] == [slot.backfilled for slot in made]


@pytest.mark.req("F6")
def test_a_revision_is_told_once_and_only_of_what_is_remembered() -> None:
    """The newer version is what the next one is compared with."""
    order = Order(MINUTE, -MINUTE)
    for minute in range(100):
        order.offer(candle(minute), backfilled=False)
        order.release()
    assert "revision" == order.offer(candle(99, 101), backfilled=False)
    assert "duplicate" == order.offer(candle(99, 101), backfilled=False)
    assert "revision" == order.offer(candle(99), backfilled=False)

    assert "late" == order.offer(candle(0, 101), backfilled=False)


@pytest.mark.req("F7")
def test_that_nothing_traded_in_an_interval_that_is_out_is_no_news() -> None:
    """Nothing waits for what has been, else there would seem to be a hole for ever."""
    order = Order(MINUTE, 5 * MINUTE)
    for minute in (4, 5):
        order.quiet(minute * MINUTE)
    before = order.holds
    order.quiet(6 * MINUTE)

    assert (before, order.holds) == (False, True)
    assert [Slot(6 * MINUTE, None)] == list(order.release())


@pytest.mark.req("F7")
def test_of_several_holes_the_first_is_owed_and_no_more_than_it() -> None:
    """Oldest first; what is there already is not asked for again."""
    order = Order(MINUTE, 0)
    for minute in (3, 6, 9):
        order.offer(candle(minute), backfilled=False)
    assert Hole(MINUTE, 2) == order.owed(10 * MINUTE)
    for minute in (1, 2):
        order.offer(candle(minute), backfilled=True)

    assert Hole(4 * MINUTE, 2) == order.owed(10 * MINUTE)


@pytest.mark.req("F7")
def test_what_is_given_up_is_behind_us_and_never_before() -> None:
    """What waited in it is let go, what waits behind it stays, and there is no way back."""
    order = Order(MINUTE, 0)
    for minute in (3, 4, 6):
        order.offer(candle(minute), backfilled=False)
    order.jump(5 * MINUTE)
    order.jump(2 * MINUTE)
    assert Hole(5 * MINUTE, 1) == order.owed(10 * MINUTE)
    order.offer(candle(5), backfilled=True)

    assert [5 * MINUTE, 6 * MINUTE] == [slot.open_ms for slot in order.release()]
    assert not order.holds


@pytest.mark.req("F5")
def test_trades_that_nobody_fetches_are_let_go_the_older_first() -> None:
    """A full disk upstream must not fill the memory."""
    ticks = Ticks("BTC/USDT")
    for number in range(MOST_HELD + 1):
        ticks.trade(sold(0, 100, number), 0, 0)
    kept = [tick.trade_id for tick in ticks.take() if isinstance(tick, Trade)]

    assert [str(n) for n in range(MOST_HELD // 2, MOST_HELD + 1)] == kept


@pytest.mark.req("F5")
def test_each_price_that_is_believed_is_the_measure_of_the_next() -> None:
    """A market that runs away in steps is followed; a side of the book that is far off is not."""
    ticks = Ticks("BTC/USDT", Decimal(100))

    def quoted(bid: int, ask: int) -> str | None:
        return ticks.quote(BestQuote(Decimal(bid), Decimal(1), Decimal(ask), Decimal(1)), 0, 0)

    assert [None, None] == [ticks.trade(sold(0, price, price), 0, 0) for price in (150, 220)]
    assert [None, None] == [quoted(320, 321), quoted(470, 471)]
    assert ["far_off"] * 3 == [quoted(470, 900), quoted(100, 470), ticks.trade(sold(0, 200, 999), 0, 0)]

    assert Decimal("470.5") == ticks.reference


@pytest.mark.req("F5")
def test_no_mark_price_goes_out_that_is_older_than_the_last() -> None:
    """Out of order: left out without being a fault."""
    ticks = Ticks("BTC/USDT")
    marks = [MarkPrice(Decimal(price), at_ms) for price, at_ms in ((100, 1000), (90, 999), (80, 1000))]

    assert [None, "order", None] == [ticks.mark(mark, 0, 1000) for mark in marks]
    assert ["80"] == [str(tick.mark) for tick in ticks.take() if isinstance(tick, Mark)]
