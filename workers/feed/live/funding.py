"""Fundings, one for each time: from mark prices while they come, else from the exchange's history. Pure.

mark prices up to the time -------> the estimate that stood is the rate, told at once
none shortly before it, or after -> asked by REST, from the last one told on
no mark prices at all ------------> asked after each full hour
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

import msgspec

from workers.feed.exchanges.events import MarkPrice, PastFunding

FRESH_MS: Final = 120_000
"""An estimate that is older than this when its time comes may not be the rate."""
GRACE_MS: Final = 60_000
"""From a funding time until the exchange is asked: its mark prices come first, its history a little later."""
TRUST_MS: Final = 300_000
"""A history is complete but for its last minutes."""
SAME_MS: Final = 60_000
"""Binance stamps a funding some milliseconds late: two within a minute are one."""
HOUR_MS: Final = 3_600_000
"""Fundings are at full hours, mostly at 00, 08 and 16 UTC."""
RETRY_MS: Final = 60_000
MOST_TRIES: Final = 30
"""After so many questions in vain the estimate is told, if there is one, and mark prices are believed."""
LONGEST_MS: Final = 30 * 24 * HOUR_MS
"""What is older is not asked for: 90 fundings, which is within one answer of every exchange."""

Source = Literal["mark", "history", "estimate"]


class Pending(msgspec.Struct, frozen=True):
    """The funding to come, as told at ``heard_ms``; without a rate where none is told. Kept over restarts."""

    at_ms: int
    rate: Decimal | None
    heard_ms: int = 0


@dataclass(frozen=True)
class Settled:
    """A funding that is over. ``rate``: that which stood, that of the history, or an old estimate."""

    at_ms: int
    rate: Decimal
    source: Source


class FundingClock:
    """Turns running estimates and answers into fundings. ``pending``, ``told_ms``: of an earlier life.

    ``asks``: whether the exchange has a history of fundings; without one an old estimate is better than none.

    The first mark price after a funding may still name the past time (seen at Binance); it is the next one
    with a later time that closes it. While it may be that one is missing, none is told by mark prices: what
    has gone out ends what can still be told.
    """

    def __init__(self, pending: Pending | None = None, told_ms: int | None = None, *, asks: bool) -> None:
        self.pending, self.told_ms = pending, told_ms
        self._asks = asks
        self._missed: Pending | None = None
        self._unsure_ms: int | None = None
        self._complete_ms = self._not_before_ms = self._tries = 0
        self._released: list[Settled] = []

    def begin(self, exchange_ms: int) -> None:
        """Learn when this life begins: what was before the very first is nobody's."""
        if self.told_ms is None:
            self.told_ms = exchange_ms if self.pending is None else min(exchange_ms, self.pending.at_ms - 1)
        self.told_ms = max(self.told_ms, exchange_ms - LONGEST_MS)

    def take(self, mark: MarkPrice) -> None:
        """Learn a mark price; it may close the funding before."""
        if mark.next_funding_ms is None or (mark.rate is None and not self._asks):
            return
        before, coming = self.pending, Pending(mark.next_funding_ms, mark.rate, mark.at_ms)
        if mark.at_ms >= coming.at_ms or (before is not None and coming.at_ms < before.at_ms):
            return
        if before is None:
            self._doubt(self._sure_ms, mark.at_ms)
        elif coming.at_ms == before.at_ms and coming.rate is None:
            return
        self.pending = coming
        if before is not None and before.at_ms < coming.at_ms and before.at_ms <= mark.at_ms:
            self._close(before)
            self._doubt(before.at_ms + SAME_MS, mark.at_ms)

    def due_ms(self) -> int | None:
        """Return when the exchange is to be asked for its history; None: never."""
        if not self._asks or self.told_ms is None:
            return None
        if self._unsure_ms is not None:
            at_ms = self._unsure_ms
        elif self.pending is not None and self.pending.at_ms > self.told_ms:
            at_ms = self.pending.at_ms
        else:
            at_ms = _next_hour(self._sure_ms)
        return max(at_ms + GRACE_MS, self._not_before_ms)

    @property
    def start_ms(self) -> int:
        """From when on the exchange is to be asked."""
        return (self.told_ms or 0) + 1

    def failed(self, exchange_ms: int) -> None:
        """Learn that a question was not answered; what is missing then is still there later."""
        self._in_vain(exchange_ms)

    def answered(self, found: Sequence[PastFunding], exchange_ms: int) -> None:
        """Learn what the history holds."""
        for row in sorted(found, key=lambda row: row.at_ms):
            if row.at_ms <= exchange_ms:
                self._release(row.at_ms, row.rate, "history")
        self._complete_ms = max(self._complete_ms, exchange_ms - TRUST_MS)
        if self._awaited(exchange_ms) is not None:
            self._in_vain(exchange_ms)
            return
        self._tries, self._not_before_ms = 0, exchange_ms + TRUST_MS
        if self._unsure_ms is not None and self._unsure_ms <= self._complete_ms:
            self._unsure_ms = None

    def released(self) -> tuple[Settled, ...]:
        """Return the fundings that have become known, each once, in the order of their times."""
        found, self._released = tuple(self._released), []
        return found

    @property
    def _sure_ms(self) -> int:
        return max(self.told_ms or 0, self._complete_ms)

    def _doubt(self, after_ms: int, until_ms: int) -> None:
        """There may have been a funding in between, of which no mark price told."""
        if self._asks and _next_hour(after_ms) <= until_ms:
            self._unsure_ms = max(self._unsure_ms or 0, until_ms)

    def _close(self, over: Pending) -> None:
        fresh = self._unsure_ms is None and over.heard_ms >= over.at_ms - FRESH_MS
        if over.rate is not None and (fresh or not self._asks):
            self._release(over.at_ms, over.rate, "mark")
        elif over.at_ms > (self.told_ms or 0):
            self._missed = self._missed or over
            self._unsure_ms = max(self._unsure_ms or 0, over.at_ms)

    def _awaited(self, exchange_ms: int) -> Pending | None:
        """Return a funding that has certainly been and is not told."""
        for one in (self._missed, self.pending):
            if one is not None and (self.told_ms or 0) < one.at_ms <= exchange_ms:
                return one
        return None

    def _in_vain(self, exchange_ms: int) -> None:
        self._tries += 1
        self._not_before_ms = exchange_ms + RETRY_MS
        if self._tries < MOST_TRIES:
            return
        self._tries, self._unsure_ms, self._not_before_ms = 0, None, exchange_ms + HOUR_MS
        while (awaited := self._awaited(exchange_ms)) is not None:
            if awaited.rate is not None:
                self._release(awaited.at_ms, awaited.rate, "estimate")
            self.told_ms = max(self.told_ms or 0, awaited.at_ms)

    def _release(self, at_ms: int, rate: Decimal, source: Source) -> None:
        if self.told_ms is None or at_ms > self.told_ms:
            self.told_ms = at_ms + SAME_MS
            self._released.append(Settled(at_ms, rate, source))


def _next_hour(at_ms: int) -> int:
    return (at_ms // HOUR_MS + 1) * HOUR_MS
