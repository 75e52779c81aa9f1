"""Funding from mark prices: the rate that stood when its time came. Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from workers.feed.exchanges.events import MarkPrice


class Pending(msgspec.Struct, frozen=True):
    """The funding to come, as last told. Kept over restarts."""

    at_ms: int
    rate: Decimal


class FundingClock:
    """Turns running estimates into fundings, one for each time.

    The first mark price after a funding may still name the past time (seen at Binance); it is the next one
    with a later time that closes it.
    """

    def __init__(self, pending: Pending | None = None) -> None:
        self.pending = pending

    def take(self, mark: MarkPrice) -> Pending | None:
        """Learn a mark price; return the funding that is over by it, if one is."""
        if mark.rate is None or mark.next_funding_ms is None:
            return None
        coming = Pending(mark.next_funding_ms, mark.rate)
        before = self.pending
        if before is not None and coming.at_ms < before.at_ms:
            return None
        if before is not None and coming.at_ms == before.at_ms and mark.at_ms >= before.at_ms:
            return None
        self.pending = coming
        return (
            before
            if before is not None and before.at_ms < coming.at_ms and mark.at_ms >= before.at_ms
            else None
        )
