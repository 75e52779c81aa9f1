"""What is wrong with a market's data, in words for status. Pure."""

from __future__ import annotations

from workers.feed.live.candles import Candles
from workers.feed.live.settings import Moment
from workers.feed.live.skew import Skew
from workers.feed.live.wires import Wires


def reasons(wires: Wires | None, candles: Candles | None, skew: Skew, moment: Moment) -> tuple[str, ...]:
    """Return a phrase for each trouble; ``wires`` None: of a feed that polls."""
    found = [] if wires is None else list(wires.reasons(moment.now))
    if candles is not None:
        if candles.gap(moment.exchange_ms):
            found.append("gap in the candles")
        if candles.quarantined:
            found.append("a candle is in quarantine")
        if moment.now < candles.backfill.resting_until:
            found.append("REST rests")
    if skew.too_large:
        found.append(f"clock skew {skew.ms} ms")
    return tuple(found)
