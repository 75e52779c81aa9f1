"""From versions of candles to the candles that go out: final, valid, in order, without holes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from workers.feed.exchanges.events import Kline
from workers.feed.live.backfill import MOST, Backfill, Question
from workers.feed.live.finality import GRACE_MS, Finality, Origin
from workers.feed.live.order import Hole, Order, Slot
from workers.feed.live.resample import Resampler
from workers.feed.live.validation import far_off, kline_fault
from workers.shared.core import LogLine
from workers.shared.log import iso_ms

OVERDUE_MS: Final = 4000
"""After the close; closing frames come up to 2.1 s late, and the next interval gives 2 s of grace."""
MOST_MISSED: Final = 700
"""How many candles are caught up with at most: one answer of the exchange with the shortest memory."""
GIVE_UP_S: Final = 180.0
MOST_FAILURES: Final = 3


class Candles:
    """The candles of ``base_ms`` after the one at ``last_open_ms``, resampled where there is a resampler.

    ``fresh``: nothing has ever gone out, so what REST cannot tell of the past is not missed.
    """

    def __init__(
        self,
        base_ms: int,
        last_open_ms: int,
        *,
        resampler: Resampler | None = None,
        last_close: Decimal | None = None,
        fresh: bool = True,
    ) -> None:
        self._base_ms = base_ms
        self._finality = Finality(base_ms)
        self._order = Order(base_ms, last_open_ms)
        self._resampler = resampler
        self.backfill = Backfill()
        self.last_close = last_close
        self._fresh = fresh
        self._quarantine: dict[int, Kline] = {}
        self._absent: Counter[int] = Counter()
        self._hole_since: float | None = None
        self._in_gap = False
        # Longer candles that the hours without trading have completed.
        self._closed: list[Slot | None] = []
        self.gaps = self.revisions = 0
        self.logs: list[LogLine] = []

    def saw(self, kline: Kline, now: float, exchange_ms: int) -> str | None:
        """Take a version from the stream; return what is wrong with it, if anything."""
        fault = kline_fault(kline, self._base_ms, exchange_ms)
        if fault is None and kline.open_ms > self.last_open_ms:
            self._finality.saw(kline, now)
        elif fault is None and kline.closed is not False:
            self._offer(kline, "stream")
        return fault

    def answered(
        self, question: Question, klines: Sequence[Kline], exchange_ms: int
    ) -> tuple[tuple[Kline, str], ...]:
        """Take what REST said; return what of it is wrong, with the kinds of fault."""
        self.backfill.answered()
        judged = [(kline, kline_fault(kline, self._base_ms, exchange_ms)) for kline in klines]
        valid = [kline for kline, fault in judged if fault is None]
        self._finality.saw_by_rest(valid, exchange_ms, gap=question.gap)
        self._note_absent(question, valid, exchange_ms)
        return tuple((kline, fault) for kline, fault in judged if fault is not None)

    def failed(self, now: float, exchange_ms: int, status: int | None, retry_after_s: float | None) -> None:
        """Learn that REST did not answer a question."""
        self.backfill.failed(now, status, retry_after_s)
        hole = self._owed(exchange_ms)
        refused = status is not None and 400 <= status < 500 and status not in (418, 429)
        hopeless = refused or self.backfill.failures >= MOST_FAILURES
        # While nothing waits behind the hole, to give it up would gain nothing.
        if hole is not None and (self._fresh or (hopeless and self._order.holds)):
            self._give_up(hole.start_ms + hole.count * self._base_ms)

    def take(self, now: float, exchange_ms: int) -> tuple[Slot, ...]:
        """Return what goes out now, in the timeframe that was asked for."""
        for kline, origin in self._finality.take(now):
            self._offer(kline, origin)
        self._watch_hole(now, exchange_ms)
        found, self._closed = self._closed, []
        for slot in self._order.release():
            found.append(slot if self._resampler is None else self._resampler.take(slot))
            self._note(slot)
        return tuple(slot for slot in found if slot is not None and slot.kline is not None)

    def question(self, now: float, exchange_ms: int) -> Question | None:
        """Return what is to be asked by REST now."""
        hole = self._owed(exchange_ms)
        return None if hole is None else self.backfill.plan(hole, gap=self._is_gap(hole), now=now)

    def poll(self, exchange_ms: int) -> Question:
        """Return what a poller asks, whether or not something is owed."""
        hole = self._owed(exchange_ms)
        count = 0 if hole is None else hole.count
        return Question(self._order.last_open_ms + self._base_ms, min(count + 2, MOST), gap=count > 1)

    def gap(self, exchange_ms: int) -> bool:
        """Whether candles are missing."""
        hole = self._owed(exchange_ms)
        return hole is not None and self._is_gap(hole)

    def deadline(self, now: float, exchange_ms: int) -> float:
        """Return when :meth:`take` or :meth:`question` will have something new."""
        hole = self._owed(exchange_ms)
        if hole is not None:
            rest = self.backfill.due(gap=self._is_gap(hole))
        else:
            overdue_ms = self._order.last_open_ms + 2 * self._base_ms + OVERDUE_MS
            rest = now + (overdue_ms - exchange_ms) / 1000
        final = self._finality.deadline
        return rest if final is None else min(rest, final)

    def close_until(self, open_ms: int) -> None:
        """Leave out what opens before ``open_ms``: the market was closed, so nothing is missing."""
        if self._resampler is not None:
            for quiet_ms in range(self.last_open_ms + self._base_ms, open_ms, self._base_ms):
                self._closed.append(self._resampler.take(Slot(quiet_ms, None)))
        self._order.jump(open_ms)

    def jump(self, open_ms: int) -> None:
        """Give up what opens before ``open_ms``."""
        self._order.jump(open_ms)
        if self._resampler is not None:
            self._resampler.part = None

    @property
    def last_open_ms(self) -> int:
        """Of the newest base candle that is out."""
        return self._order.last_open_ms

    @property
    def fresh(self) -> bool:
        """Whether nothing but history has ever gone out."""
        return self._fresh

    @property
    def resampler(self) -> Resampler | None:
        """What makes longer candles, if any does."""
        return self._resampler

    @property
    def quarantined(self) -> int:
        """How many candles wait for REST to confirm a price far off the last."""
        return len(self._quarantine)

    def _note(self, slot: Slot) -> None:
        self._absent.pop(slot.open_ms, None)
        if slot.kline is None:
            return
        self.last_close = slot.kline.close
        if not slot.backfilled:
            self._fresh = self._in_gap = False
        elif not self._fresh and not self._in_gap:
            self._in_gap = True
            self.gaps += 1

    def _offer(self, kline: Kline, origin: Origin) -> None:
        if origin == "stream" and kline.open_ms > self.last_open_ms and far_off(kline.close, self.last_close):
            self._quarantine[kline.open_ms] = kline
            self._tell("WARNING", "candle quarantined", kline, last_close=self.last_close)
            return
        self._quarantine.pop(kline.open_ms, None)
        verdict = self._order.offer(kline, backfilled=origin == "backfilled")
        if verdict == "revision":
            self.revisions += 1
            self._tell("WARNING", "candle revised", kline)

    def _owed(self, exchange_ms: int) -> Hole | None:
        over_ms = exchange_ms - OVERDUE_MS
        return self._order.owed(over_ms - over_ms % self._base_ms - self._base_ms)

    def _is_gap(self, hole: Hole) -> bool:
        return hole.count > 1 or self._order.holds

    def _note_absent(self, question: Question, klines: Sequence[Kline], exchange_ms: int) -> None:
        there = {kline.open_ms for kline in klines}
        newest = max(there, default=0)
        for n in range(question.count):
            open_ms = question.start_ms + n * self._base_ms
            if open_ms in there or open_ms + self._base_ms + GRACE_MS > exchange_ms:
                continue
            self._absent[open_ms] += 1
            if newest > open_ms or self._absent[open_ms] > 1:
                self._order.quiet(open_ms)
                del self._absent[open_ms]
                self._quarantine.pop(open_ms, None)

    def _watch_hole(self, now: float, exchange_ms: int) -> None:
        hole = self._owed(exchange_ms)
        if hole is None or not self._is_gap(hole):
            self._hole_since = None
        elif hole.count > MOST_MISSED:
            self._give_up(hole.start_ms + (hole.count - MOST_MISSED) * self._base_ms)
        elif self._hole_since is None:
            self._hole_since = now
            facts = {"from": iso_ms(hole.start_ms), "candles": hole.count}
            level, message = ("INFO", "history wanted") if self._fresh else ("WARNING", "gap")
            self.logs.append(LogLine(level, message, facts))
        elif now - self._hole_since >= GIVE_UP_S and self.backfill.failures and self._order.holds:
            self._give_up(hole.start_ms + hole.count * self._base_ms)

    def _give_up(self, open_ms: int) -> None:
        if not self._fresh:
            self.gaps += 1
            facts = {"from": iso_ms(self.last_open_ms + self._base_ms), "to": iso_ms(open_ms)}
            self.logs.append(LogLine("ERROR", "gap not filled", facts))
        self._hole_since = None
        self.jump(open_ms)

    def _tell(self, level: str, message: str, kline: Kline, **more: object) -> None:
        facts = {"open_time": iso_ms(kline.open_ms), "close": kline.close, "volume": kline.volume, **more}
        self.logs.append(LogLine(level, message, facts))
