"""What a live feed remembers over restarts. Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from protocol.messages.market import Instrument
from workers.feed.live.funding import Pending
from workers.feed.live.resample import Part


class Counts(msgspec.Struct, kw_only=True):
    """Lifetime figures."""

    candles: int = 0
    ticks: int = 0
    rejected: int = 0
    gaps: int = 0
    reconnects: int = 0
    revisions: int = 0
    backfilled: int = 0


class LiveState(msgspec.Struct, kw_only=True):
    """``market`` names what it is the state of; that of another market is of no use.

    ``last_open_ms`` is of the newest base candle that was handled, ``close_ms`` the end of the newest that
    went out; up to ``funded_ms`` all fundings are told.
    """

    market: str
    last_open_ms: int | None = None
    last_close: Decimal | None = None
    close_ms: int | None = None
    part: Part | None = None
    funding: Pending | None = None
    funded_ms: int | None = None
    instrument: Instrument | None = None
    counts: Counts = msgspec.field(default_factory=Counts)


def restored(stored: bytes | None, market: str) -> LiveState:
    """Return the stored state of ``market``, or a new one."""
    if stored is not None:
        try:
            state = msgspec.msgpack.decode(stored, type=LiveState)
        except msgspec.MsgspecError:  # of a recording, which this feed was before
            return LiveState(market=market)
        if state.market == market:
            return state
    return LiveState(market=market)
