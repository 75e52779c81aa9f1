"""What protects a position in candle mode: brackets and trailing stops (R5 to R7)."""

from __future__ import annotations

import pytest

from protocol.messages.trading import (
    AtPrice,
    Away,
    Bracket,
    Quantity,
    TradeClosed,
    WholePosition,
)
from tests.workers.broker.bench import ONE, D, bar, candle, filled, order, statuses, traded

# --- brackets -----------------------------------------------------------------------------------

LONG = Bracket(stop=Away(D("0.05")), target=Away(D("0.1")))


@pytest.mark.req("B3")
def test_stop_and_target_are_placed_at_the_entrys_fill_and_cancel_each_other() -> None:
    """The target fills; the stop is taken back; the round trip says why it ended."""
    entry = order(1, size=ONE, bracket=LONG)
    bench = traded([candle(1, "100"), candle(2, "100"), bar(3, "100", "111", "100", "110")], entry)

    assert filled(bench) == [("s-1-0", 2, D(100), D(1)), ("s-1-0/target", 3, D(110), D(1))]
    assert statuses(bench) == {"s-1-0": "filled", "s-1-0/stop": "cancelled", "s-1-0/target": "filled"}
    (trip,) = [o for o in bench.outputs if isinstance(o, TradeClosed)]
    assert (trip.side, trip.entry, trip.exit, trip.realised, trip.reason) == (
        "long",
        D(100),
        D(110),
        D(10),
        "target",
    )


@pytest.mark.req("B3")
def test_in_a_candle_that_reaches_both_the_stop_wins() -> None:
    """R6."""
    entry = order(1, size=ONE, bracket=LONG)
    bench = traded([candle(1, "100"), candle(2, "100"), bar(3, "100", "120", "90", "110")], entry)

    assert filled(bench)[1:] == [("s-1-0/stop", 3, D(95), D(1))]
    assert bench.fills[1].reason == "stop"


@pytest.mark.req("B3")
def test_on_the_entry_candle_only_the_stop_counts() -> None:
    """R6: its high may have come before the entry, its low ends the trade."""
    entry = order(1, size=ONE, bracket=LONG)
    up = traded([candle(1, "100"), bar(2, "100", "120", "100", "100")], entry)
    down = traded([candle(1, "100"), bar(2, "100", "120", "94", "100")], entry)

    assert len(up.fills) == 1
    assert filled(down)[1:] == [("s-1-0/stop", 2, D(95), D(1))]


@pytest.mark.req("B3")
def test_a_limit_entry_is_protected_in_the_candle_that_fills_it() -> None:
    """The stop of a short opened inside the candle is met by its high."""
    entry = order(1, "sell", size=ONE, kind="limit", limit=D(105), bracket=LONG)
    bench = traded([candle(1, "100"), bar(2, "100", "111", "100", "100")], entry)

    assert filled(bench) == [("s-1-0", 2, D(105), D(1)), ("s-1-0/stop", 2, D("110.5"), D(1))]


@pytest.mark.req("B3")
def test_an_exit_by_signal_takes_the_bracket_back() -> None:
    """What protects nothing is no order any more; the exit is not blocked by it."""
    out = order(2, "sell", WholePosition(), reduce_only=True)
    bench = traded([candle(row, "100") for row in (1, 2, 3)], order(1, size=ONE, bracket=LONG), out)

    assert statuses(bench)["s-2-0"] == "filled"
    assert bench.rows("SELECT code FROM orders WHERE parent IS NOT NULL") == [("position_closed",)] * 2


@pytest.mark.req("B3")
def test_an_entry_filled_in_parts_is_protected_from_the_first() -> None:
    """Stop and target grow with it."""
    entry = order(1, size=Quantity(D(2)), kind="limit", limit=D(99), bracket=LONG)
    half = bar(2, "100", "100", "98", "100", volume="10")
    bench = traded([candle(1, "100"), half], entry)
    assert bench.rows("SELECT quantity FROM orders WHERE parent IS NOT NULL") == [("1",), ("1",)]

    more = bar(3, "100", "100", "98", "100", volume="10")
    crash = bar(4, "100", "100", "80", "80")
    bench = traded([candle(1, "100"), half, more, crash], entry)
    assert filled(bench)[-1] == ("s-1-0/stop", 4, D(94), D(2))


@pytest.mark.req("B3")
def test_a_target_filled_in_part_shrinks_the_stop() -> None:
    """One cancels the other by as much as it closed."""
    entry = order(1, size=Quantity(D(2)), bracket=LONG)
    thin = bar(3, "100", "111", "100", "100", volume="10")
    bench = traded([candle(1, "100"), candle(2, "100"), thin, bar(4, "100", "100", "94", "94")], entry)

    assert filled(bench)[1:] == [
        ("s-1-0/target", 3, D(110), D(1)),
        ("s-1-0/stop", 4, D(95), D(1)),
    ]
    assert bench.fills[-1].position == 0


# --- trailing -----------------------------------------------------------------------------------


@pytest.mark.req("B3")
def test_a_trailing_stop_follows_the_best_price_and_never_loosens() -> None:
    """R7: each candle tests the old stop first, then moves it; every move is on record."""
    entry = order(1, size=ONE, bracket=Bracket(trail=AtPrice(D(5))))
    up, pause = bar(3, "100", "110", "100", "108"), bar(4, "108", "108", "106", "107")
    rows = [candle(1, "100"), candle(2, "100"), up, pause]
    assert traded(rows, entry).rows("SELECT stop_price FROM orders WHERE parent IS NOT NULL") == [("105",)]

    bench = traded([*rows, bar(5, "107", "120", "104", "110")], entry)
    assert filled(bench)[1:] == [("s-1-0/stop", 5, D(105), D(1))]
    assert bench.fills[1].reason == "trailing"


@pytest.mark.req("B3")
def test_a_candle_tests_the_old_stop_before_its_high_moves_it() -> None:
    """A low between the old stop and the one that the same candle's high would set does nothing."""
    entry = order(1, size=ONE, bracket=Bracket(trail=AtPrice(D(5))))
    wide = bar(3, "100", "110", "96", "108")
    bench = traded([candle(1, "100"), candle(2, "100"), wide], entry)

    assert len(bench.fills) == 1


@pytest.mark.req("B3")
def test_an_entry_that_goes_on_after_its_stop_was_hit_is_protected_by_another_one() -> None:
    """Found by chance: the second stop had the id of the first, and its fill broke the transaction."""
    entry = order(1, size=Quantity(D(2)), kind="limit", limit=D(99), bracket=Bracket(stop=Away(D("0.05"))))
    thin = bar(2, "100", "100", "90", "100", volume="10")
    bench = traded([candle(1, "100"), thin, bar(3, "100", "100", "90", "100")], entry)

    assert [name for name, *_ in filled(bench)] == ["s-1-0", "s-1-0/stop", "s-1-0", "s-1-0/stop.2"]


@pytest.mark.req("B3")
def test_a_stop_placed_inside_a_candle_never_fills_at_a_price_beyond_it() -> None:
    """Found by chance: the limit fills at 99 in a candle that lies below its stop of 98 as a whole."""
    entry = order(
        1, size=ONE, kind="stop_limit", stop=D(99), limit=D(99), bracket=Bracket(stop=AtPrice(D(98)))
    )
    jumped = bar(2, "100", "100", "100", "100")
    bench = traded([candle(1, "97"), jumped, bar(3, "95", "96", "94", "95")], entry)

    assert [price for _, _, price, _ in filled(bench)] == [D(99), D(96)]
