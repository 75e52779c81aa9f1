"""The equity series: one value a period of data, thinned with age, so that it stays small for ever."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from workers.broker import store
from workers.broker.breakers import DAY_MS, HOUR_MS, MINUTE_MS
from workers.broker.money import text
from workers.shared.core import Write

LIVE_EVERY_MS: Final = MINUTE_MS
RECORDED_EVERY_MS: Final = 15 * MINUTE_MS
"""On a recording days pass in seconds: fewer values, so that they cost no speed."""
FINE_MS: Final = 7 * DAY_MS
"""How long all values are kept; after that one an hour."""
HOURLY_MS: Final = 90 * DAY_MS
"""How long one value an hour is kept; after that one a day."""


def sampled(at_ms: int, equity: Decimal, cash: Decimal, every_ms: int) -> tuple[Write, ...]:
    """Return what keeps a value, under the start of its period; at the first of a day, also what thins."""
    period_ms = at_ms // every_ms * every_ms
    kept = store.insert_equity(period_ms, equity=text(equity), cash=text(cash))
    if period_ms % DAY_MS:
        return (kept,)
    return (
        kept,
        store.thin_equity(period_ms - FINE_MS, HOUR_MS),
        store.thin_equity(period_ms - HOURLY_MS, DAY_MS),
    )
