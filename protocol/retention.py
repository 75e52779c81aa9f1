"""Which records of a stream may be forgotten: what all readers are done with, and old enough. Pure.

A reader that is known holds back what it has yet to read, also while it is down. Nobody known: everything is
held back. Beyond ``max_bytes`` those who have not been heard of for ``patience_s`` hold nothing back any
more; who is there and behind always does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocol.journal import Reader

MARK_S: Final = 60.0
"""How exactly the age of records is known."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """``keep_s``: how long records stay however far the readers are. ``max_bytes``: see the module.

    ``patience_s``: how long a reader may be silent before it counts as absent. ``keep_full_s``: takes the
    place of ``keep_s`` beyond ``max_bytes``, where records are kept longer than anybody needs them.
    """

    keep_s: float = 600.0
    max_bytes: int = 1 << 30
    patience_s: float = 3600.0
    keep_full_s: float | None = None


class Retention:
    """Knows the readers of one stream and the age of its records. Times are monotonic seconds."""

    def __init__(self, policy: Policy, readers: Mapping[str, Reader], *, now: float, last_seq: int) -> None:
        self._policy = policy
        self._born = now
        self._readers = dict(readers)
        self._heard: dict[str, float] = {}
        self._news: set[str] = set()
        # What was there at birth is at least as old as this process.
        self._marks = deque([(now, last_seq)])

    def heard(self, reader: str, seq: int, *, now: float, at_ms: int) -> None:
        """Learn that ``reader`` is done with everything up to ``seq``; a cursor may also go back."""
        self._heard[reader] = now
        self._readers[reader] = Reader(seq, at_ms)
        self._news.add(reader)

    def news(self) -> dict[str, Reader]:
        """What was learned since the last call, to be kept on disk."""
        fresh = {name: self._readers[name] for name in self._news}
        self._news.clear()
        return fresh

    def mark(self, now: float, last_seq: int) -> None:
        """Learn how far the stream goes now."""
        at, seq = self._marks[-1]
        if now - at >= MARK_S and last_seq != seq:
            self._marks.append((now, last_seq))

    def below(self, now: float, size: int) -> int:
        """Every record with a smaller seq may be forgotten; ``size`` is that of the journal in bytes."""
        full = size > self._policy.max_bytes
        holding = [r.seq for name, r in self._readers.items() if not (full and self._absent(name, now))]
        if not holding and not full:
            return 0
        return min([self._old(now, full=full), *holding]) + 1

    def absent(self, now: float) -> tuple[str, ...]:
        """Who has not been heard of for long."""
        return tuple(sorted(name for name in self._readers if self._absent(name, now)))

    def _absent(self, name: str, now: float) -> bool:
        return now - self._heard.get(name, self._born) > self._policy.patience_s

    def _old(self, now: float, *, full: bool) -> int:
        """The last seq that is older than what is kept for its age."""
        policy = self._policy
        keep_s = policy.keep_s if not full or policy.keep_full_s is None else policy.keep_full_s
        while len(self._marks) > 1 and now - self._marks[1][0] >= keep_s:
            self._marks.popleft()
        at, seq = self._marks[0]
        return seq if now - at >= keep_s else 0
