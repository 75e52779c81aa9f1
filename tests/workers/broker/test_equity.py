"""The equity series: what is kept of it, and for how long."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from protocol.messages.trading import Quantity, Through
from tests.workers.broker.bench import Bench, D, candle, order
from workers.broker.breakers import DAY_MS, HOUR_MS, MINUTE_MS
from workers.broker.equity import LIVE_EVERY_MS, sampled
from workers.broker.store import TABLES


@pytest.mark.req("B4")
def test_the_series_is_thinned_with_age() -> None:
    """All values of a week, one an hour of ninety days, one a day for ever."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as disk:
        for table in TABLES:
            disk.execute(table)
        half_hours = range(0, 100 * DAY_MS + 1, HOUR_MS // 2)
        for at_ms in half_hours:
            for write in sampled(at_ms + 17, D(1), D(1), LIVE_EVERY_MS):
                disk.execute(write.sql, write.parameters)
        kept = [at for (at,) in disk.execute("SELECT at_ms FROM equity ORDER BY at_ms")]

    week, quarter = 93 * DAY_MS, 10 * DAY_MS
    assert [at for at in kept if at >= week] == [at for at in half_hours if at >= week]
    assert [at for at in kept if quarter <= at < week] == list(range(quarter, week, HOUR_MS))
    assert [at for at in kept if at < quarter] == list(range(0, quarter, DAY_MS))


@pytest.mark.req("B4")
def test_a_value_is_kept_once_in_a_period_of_the_data() -> None:
    """On a recording every quarter of an hour, whatever happens in it."""
    market = [candle(row, "100") for row in range(1, 33)]
    bench = Bench(market, {"s": [order(1, size=Quantity(D(1))), Through(32)]}, contract="linear").run()

    times = [at for (at,) in bench.rows("SELECT at_ms FROM equity ORDER BY at_ms")]
    assert times == [0, 15 * MINUTE_MS, 30 * MINUTE_MS]
