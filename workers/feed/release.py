"""The part of a recording that readers may see now."""

from __future__ import annotations

from protocol.messages.stream import Record
from workers.feed.recording import Recording


class Released:
    """A recording up to ``last_seq``, as a source for readers; ``served`` is the last seq one has read.

    Both only grow.
    """

    def __init__(self, recording: Recording, last_seq: int) -> None:
        self._recording = recording
        self.id = recording.id
        self.first_seq = recording.first_seq
        self.last_seq = min(last_seq, recording.last_seq)
        self.served = 0

    def advance(self, seq: int) -> None:
        """Release everything up to ``seq``; nothing is taken back."""
        self.last_seq = max(self.last_seq, min(seq, self._recording.last_seq))

    def seen(self, seq: int) -> None:
        """Learn that a reader has everything up to ``seq``, from this life or an earlier one."""
        self.advance(seq)
        self.served = max(self.served, min(seq, self._recording.last_seq))

    def read(self, after: int, limit: int) -> tuple[Record, ...]:
        """Return at most ``limit`` released records after seq ``after``."""
        records = self._recording.read(after, min(limit, max(self.last_seq - after, 0)))
        if records:
            self.served = max(self.served, records[-1].seq)
        return records
