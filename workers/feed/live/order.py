"""The order in which candles go out: once each, strictly increasing, holes noticed. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal

from workers.feed.exchanges.events import Kline

REMEMBERED: Final = 64

Verdict = Literal["new", "duplicate", "revision", "late"]


@dataclass(frozen=True)
class Hole:
    """Candles that are missing: so many from the one that opens at ``start_ms`` on."""

    start_ms: int
    count: int


@dataclass(frozen=True)
class Slot:
    """An interval whose turn has come; ``kline`` None: nothing traded in it."""

    open_ms: int
    kline: Kline | None
    backfilled: bool = False


class Order:
    """Holds final candles back until those before them are out, or known not to exist."""

    def __init__(self, length_ms: int, last_open_ms: int) -> None:
        self._length_ms = length_ms
        self.last_open_ms = last_open_ms
        self._waiting: dict[int, Slot] = {}
        self._out: OrderedDict[int, Kline] = OrderedDict()

    def offer(self, kline: Kline, *, backfilled: bool) -> Verdict:
        """Take a final candle. A ``revision`` differs from what went out; it changes nothing."""
        open_ms = kline.open_ms
        if open_ms <= self.last_open_ms:
            return self._verdict(kline)
        waiting = self._waiting.get(open_ms)
        if waiting is not None and waiting.kline is not None:
            return "duplicate"
        self._waiting[open_ms] = Slot(open_ms, kline, backfilled)
        return "new"

    def quiet(self, open_ms: int) -> None:
        """Learn that nothing traded in an interval."""
        if open_ms > self.last_open_ms:
            self._waiting.setdefault(open_ms, Slot(open_ms, None))

    def release(self) -> tuple[Slot, ...]:
        """Return the slots whose turn it is; they count as out."""
        found = []
        while (slot := self._waiting.pop(self.last_open_ms + self._length_ms, None)) is not None:
            self.last_open_ms = slot.open_ms
            if slot.kline is not None:
                self._out[slot.open_ms] = slot.kline
            found.append(slot)
        while len(self._out) > REMEMBERED:
            self._out.popitem(last=False)
        return tuple(found)

    def owed(self, through_ms: int) -> Hole | None:
        """Return the first hole among the intervals up to the one that opens at ``through_ms``."""
        start_ms = self.last_open_ms + self._length_ms
        while start_ms in self._waiting:
            start_ms += self._length_ms
        ends = [open_ms for open_ms in self._waiting if open_ms > start_ms]
        end_ms = min(ends, default=through_ms + self._length_ms)
        count = (end_ms - start_ms) // self._length_ms
        return Hole(start_ms, count) if count > 0 else None

    @property
    def holds(self) -> bool:
        """Whether a candle waits for one before it."""
        return bool(self._waiting)

    def jump(self, open_ms: int) -> None:
        """Give up everything that opens before ``open_ms``."""
        self.last_open_ms = max(self.last_open_ms, open_ms - self._length_ms)
        for held in [held for held in self._waiting if held <= self.last_open_ms]:
            del self._waiting[held]

    def _verdict(self, kline: Kline) -> Verdict:
        out = self._out.get(kline.open_ms)
        if out is None:
            return "late"
        if _values(out) == _values(kline):
            return "duplicate"
        self._out[kline.open_ms] = kline
        return "revision"


def _values(kline: Kline) -> tuple[object, ...]:
    return (kline.open, kline.high, kline.low, kline.close, kline.volume)
