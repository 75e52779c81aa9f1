"""Two real workers: one that says something every 10 ms, and one that reads all it has ever said."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

import msgspec

from protocol.codec import MARKET
from protocol.messages.control import Launch
from protocol.messages.market import End
from protocol.messages.stream import AccountRole, EventsRole, Record, Role
from workers.shared.config import WorkerConfig
from workers.shared.core import Step
from workers.shared.process import run
from workers.shared.worker import Context, Worker

EVERY_S = 0.01
ALONE_S = 3.0
"""How long the talker has nobody who reads."""
ROOM, ROWS_A_STEP = 2000, 500


def word(at_ms: int) -> End:
    """A record of the size of a small message; what it says is of no matter."""
    return End(on_end="idle", at_ms=at_ms)


class Config(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``said``: how many words were said before."""

    said: int = 0


class Talker:
    """Says a word every 10 ms, with the time at which it meant to."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self._now, self._at_ms = 0.0, 0

    def introduce(self, source: str, role: Role) -> None:
        """There is nobody to meet."""

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Nothing comes."""

    def room(self, source: str) -> int:
        """Return 0."""
        return 0

    def advance(self, now: float, at_ms: int) -> None:
        """Learn the time."""
        self._now, self._at_ms = now, at_ms
        self.deadline = now + EVERY_S if self.deadline is None else self.deadline

    def step(self) -> Step | None:
        """Say a word when it is time; a late one moves the next."""
        if self.deadline is None or self._now < self.deadline:
            return None
        self.deadline = self._now + EVERY_S
        return Step(outputs=(word(self._at_ms),), at_ms=self._at_ms)

    @property
    def waiting_for(self) -> str | None:
        """Nothing."""
        return None

    def counters(self) -> dict[str, int | str | None]:
        """Return none."""
        return {}


class Reader:
    """Takes records, and moves its cursor over 500 at a time."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, int]] = deque()

    def introduce(self, source: str, role: Role) -> None:
        """Anybody will do."""

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Look at each."""
        for record in records:
            MARKET.decode(record.body)
            self._waiting.append((source, record.seq))

    def room(self, source: str) -> int:
        """Return what is left of it."""
        return ROOM - len(self._waiting)

    def step(self) -> Step | None:
        """Be done with the next ones."""
        taken = [self._waiting.popleft() for _ in range(min(ROWS_A_STEP, len(self._waiting)))]
        return Step(cursors=dict(taken), state=msgspec.msgpack.encode(taken[-1])) if taken else None

    @property
    def waiting_for(self) -> str | None:
        """Nothing."""
        return None

    def counters(self) -> dict[str, int | str | None]:
        """Return none."""
        return {}


def talker(launch: Launch) -> int:
    """Run the talker."""
    return run(launch, _talker)


def reader(launch: Launch) -> int:
    """Run the reader, after a while."""
    time.sleep(ALONE_S)
    return run(launch, _reader)


def _talker(context: Context) -> Worker:
    core, journal = Talker(), context.open_journal()
    said = context.config(Config).said
    while (missing := said - journal.last_seq) > 0:
        journal.commit(bodies=[MARKET.encode(word(0))] * min(missing, ROOM))
    return Worker(core=core, journal=journal, role=EventsRole(), encode=MARKET.encode, timed=core)


def _reader(context: Context) -> Worker:
    return Worker(core=Reader(), journal=context.open_journal(), inputs=("talker",), role=AccountRole())
