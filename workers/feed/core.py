"""The feed on a recording: releases its rows in time with the clock, or all at once. Pure.

The recording is its own journal, so the state is one number: how far it went. With ``speed = "max"``
everything is released at birth and readers pull; the number is then how far the furthest reader has come. A
reader that is ahead of the number (this database was lost, or is older) has seen those rows, so they count
as released.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from protocol.messages.market import Candle
from protocol.messages.stream import Record, Role
from workers.feed.pacing import Pace
from workers.feed.recording import Recording
from workers.feed.release import Released
from workers.shared.core import LogLine, Step
from workers.shared.log import iso_ms
from workers.shared.worker import Condition

LINES_PER_SECOND: Final = 30
"""Up to this rate each candle is logged; above it, one summary a second."""
SUMMARY_S: Final = 1.0


class FeedState(msgspec.Struct, frozen=True):
    """What is on disk: of which recording, and the last seq that went out."""

    recording: str
    seq: int


class FeedCore:
    """Decides which rows are out. Inputs: none; time by ``advance``; what readers ask by ``asked``."""

    def __init__(self, recording: Recording, speed: float | Literal["max"], restored: bytes | None) -> None:
        self._recording = recording
        self._speed = speed
        self._seq = _restored_seq(recording, restored)
        self.source = Released(recording, recording.last_seq if speed == "max" else self._seq)
        self._stored = self._logged = self._seq
        self._now = 0.0
        self._pace: Pace | None = None
        self._summary_at: float | None = None

    def introduce(self, source: str, role: Role) -> None:
        """Do nothing on purpose: a feed has no inputs."""

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Do nothing on purpose: a feed has no inputs."""

    def room(self, source: str) -> int:
        """Return 0: a feed has no inputs."""
        return 0

    def asked(self, after: int) -> None:
        """Learn that a reader has everything up to ``after``."""
        released = self.source.last_seq
        self.source.seen(after)
        if self.source.last_seq > released:
            self._seq = self.source.last_seq
            self._pace = None

    def advance(self, now: float, at_ms: int) -> None:
        """Learn the monotonic time."""
        self._now = now
        if self._summary_at is None:
            self._summary_at = now + SUMMARY_S
        if self._speed != "max" and self._pace is None:
            self._pace = Pace(self._speed, now, self._recording.close_ms(self._seq))

    @property
    def deadline(self) -> float | None:
        """When the next row is due, or the next summary."""
        times = []
        if self._seq > self._logged and not self._each_logged and self._summary_at is not None:
            times.append(self._summary_at)
        if self._pace is not None and self._seq < self._recording.last_seq:
            times.append(self._pace.due(self._recording.close_ms(self._seq + 1)))
        return min(times, default=None)

    def step(self) -> Step | None:
        """Release what is due; None when nothing is."""
        self._seq = max(self._seq, self.source.served if self._pace is None else self._due(self._pace))
        self.source.advance(self._seq)
        released = self._seq > self._stored and self._speed != "max"
        if not released and not self._summary_due:
            return None
        self._stored = self._seq
        state = msgspec.msgpack.encode(FeedState(self._recording.id, self._seq))
        return Step(state=state, at_ms=self._recording.close_ms(self._seq), logs=self._logs())

    @property
    def waiting_for(self) -> str | None:
        """Return None: a feed waits for nobody."""
        return None

    def counters(self) -> dict[str, int | str | None]:
        """Return lifetime figures; ``rejected`` counts the rows of the file that were skipped."""
        return {
            "candles": self._recording.candles_through(self._seq),
            "ticks": 0,
            "rejected": self._recording.rejected,
            "gaps": 0,
            "reconnects": 0,
            "last_candle": iso_ms(self._recording.close_ms(self._seq)) if self._seq else None,
        }

    def condition(self) -> Condition:
        """Return the time of the newest row that is out."""
        return Condition(last_data_ms=self._recording.close_ms(self._seq) if self._seq else None)

    def _due(self, pace: Pace) -> int:
        """Return the last seq that is out now."""
        last = self._recording.last_seq
        due = min(self._recording.seq_at(pace.data_time(self._now)), last)
        following = self._recording.close_ms(min(self._seq + 1, last))
        # Rounding may put the data time a hair before the row whose deadline this is.
        if due <= self._seq < last and self._now >= pace.due(following):
            return self._seq + 1
        return due

    @property
    def _each_logged(self) -> bool:
        if self._speed == "max" or not self._recording.length_ms:
            return False
        return self._speed * 1000 / self._recording.length_ms <= LINES_PER_SECOND

    @property
    def _summary_due(self) -> bool:
        if self._each_logged or self._summary_at is None:
            return False
        return self._seq > self._logged and self._now >= self._summary_at

    def _logs(self) -> tuple[LogLine, ...]:
        if self._each_logged:
            fresh = range(max(self._logged, self._seq - LINES_PER_SECOND) + 1, self._seq + 1)
            logs = tuple(self._line(seq) for seq in fresh)
        elif self._summary_due:
            logs = (self._line(self._seq, count=self._seq - self._logged),)
            self._summary_at = self._now + SUMMARY_S
        else:
            return ()
        self._logged = self._seq
        return logs

    def _line(self, seq: int, **more: int) -> LogLine:
        message = self._recording.message(seq)
        if not isinstance(message, Candle):
            return LogLine("INFO", "recording ended", {"seq": seq, "on_end": message.on_end, **more})
        facts = {
            "symbol": message.symbol,
            "timeframe": message.timeframe,
            "seq": seq,
            "open_time": iso_ms(message.open_ms),
            "close": message.close,
            "volume": message.volume,
            **more,
        }
        return LogLine("INFO", "candle closed", facts)


def _restored_seq(recording: Recording, restored: bytes | None) -> int:
    if restored is None:
        return 0
    state = msgspec.msgpack.decode(restored, type=FeedState)
    return min(state.seq, recording.last_seq) if state.recording == recording.id else 0
