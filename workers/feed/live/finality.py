"""When a candle is final. Pure.

The exchange flags it closed; or the next interval has begun and two seconds have passed; or the exchange's
clock is two seconds past its close and REST has returned it twice the same, or once with a later candle
behind it, or once a whole interval after its close.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal

from workers.feed.exchanges.events import Kline

GRACE_S: Final = 2.0
GRACE_MS: Final = 2000
REMEMBERED: Final = 16
"""How many versions are kept of candles that never became final: a bound, met only when time jumps."""


Origin = Literal["stream", "confirmed", "backfilled"]
"""Where a final candle came from; the last two by REST, overdue or missing."""


class Finality:
    """Takes versions of candles of ``length_ms``, gives back those that will not change any more."""

    def __init__(self, length_ms: int) -> None:
        self._length_ms = length_ms
        self._forming: dict[int, Kline] = {}
        self._final_at: dict[int, float] = {}
        self._once_by_rest: dict[int, Kline] = {}
        self._final: dict[int, tuple[Kline, Origin]] = {}

    def saw(self, kline: Kline, now: float) -> None:
        """Learn a version from the stream."""
        if kline.closed:
            self._finish(kline, "stream")
            return
        self._forming[kline.open_ms] = kline
        for open_ms in self._forming:
            if open_ms < max(self._forming):
                self._final_at.setdefault(open_ms, now + GRACE_S)
        _bound(self._forming, self._final_at)

    def saw_by_rest(self, klines: Iterable[Kline], exchange_ms: int, *, gap: bool) -> None:
        """Learn versions from an answer, oldest first; ``exchange_ms`` is the exchange's time of it.

        ``gap``: they were asked for because several are missing.
        """
        found = list(klines)
        for kline in found:
            if kline.open_ms + self._length_ms + GRACE_MS > exchange_ms:
                continue
            plain = replace(kline, closed=None, at_ms=None)
            # A whole interval after its close, the next one has long begun, traded in or not.
            settled = kline.open_ms < found[-1].open_ms or exchange_ms >= kline.open_ms + 2 * self._length_ms
            if settled or self._once_by_rest.get(kline.open_ms) == plain:
                self._finish(kline, "backfilled" if gap else "confirmed")
            else:
                self._once_by_rest[kline.open_ms] = plain
        _bound(self._once_by_rest)

    def take(self, now: float) -> tuple[tuple[Kline, Origin], ...]:
        """Return what has become final by ``now``, oldest first; each is returned once."""
        for open_ms, at in tuple(self._final_at.items()):
            if at <= now and open_ms in self._forming:
                self._finish(self._forming[open_ms], "stream")
        found = tuple(self._final[open_ms] for open_ms in sorted(self._final))
        self._final.clear()
        return found

    @property
    def deadline(self) -> float | None:
        """When :meth:`take` will have something that is not there yet."""
        return min(self._final_at.values(), default=None)

    def _finish(self, kline: Kline, origin: Origin) -> None:
        self._final[kline.open_ms] = (kline, origin)
        for memory in (self._forming, self._final_at, self._once_by_rest):
            memory.pop(kline.open_ms, None)


def _bound(memory: dict[int, Kline], beside: dict[int, float] | None = None) -> None:
    while len(memory) > REMEMBERED:
        oldest = min(memory)
        del memory[oldest]
        if beside is not None:
            beside.pop(oldest, None)
