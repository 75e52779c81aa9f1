"""Cores that do as they are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from protocol.codec import MARKET
from protocol.journal import Journal
from protocol.messages.control import Done
from protocol.messages.stream import AccountRole, Record, Role
from workers.shared.core import LogLine, Step, Write
from workers.shared.worker import Context, Worker

TABLE = "CREATE TABLE IF NOT EXISTS seen (id INTEGER PRIMARY KEY, source TEXT, seq INTEGER)"


class Recorder:
    """Writes down every record it gets, ``batch`` at a time; holds at most ``bound``."""

    def __init__(self, *, bound: int = 50, batch: int = 7) -> None:
        self.bound, self.batch = bound, batch
        self.queue: list[tuple[str, Record]] = []
        self.introduced: list[tuple[str, Role]] = []
        self.most = 0
        self.waiting_for: str | None = None

    def introduce(self, source: str, role: Role) -> None:
        """Note it."""
        self.introduced.append((source, role))

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Queue them."""
        assert source in dict(self.introduced), "records before the introduction"
        self.queue += [(source, record) for record in records]
        self.most = max(self.most, len(self.queue))

    def room(self, source: str) -> int:
        """Return what is left of the bound."""
        return self.bound - len(self.queue)

    def step(self) -> Step | None:
        """Write the next batch into the table."""
        taken, self.queue = self.queue[: self.batch], self.queue[self.batch :]
        if not taken:
            return None
        return Step(
            cursors={source: record.seq for source, record in taken},
            state=b"x",
            writes=tuple(
                Write("INSERT INTO seen (source, seq) VALUES (?, ?)", (source, record.seq))
                for source, record in taken
            ),
            logs=(LogLine("DEBUG", "seen", {"count": len(taken)}),),
        )

    def counters(self) -> dict[str, int | str | None]:
        """Return one figure."""
        return {"queued": len(self.queue)}


def recorder(
    core: Recorder | None = None,
    *,
    inputs: tuple[str, ...] = ("feed",),
    done: Callable[[], Done | None] | None = None,
) -> Callable[[Context], Worker]:
    """Return a build of a consumer that writes down what it gets."""

    def build(context: Context) -> Worker:
        return Worker(
            core=core or Recorder(),
            journal=context.open_journal(tables=(TABLE,)),
            inputs=inputs,
            role=AccountRole(),
            encode=MARKET.encode,
            done=done or (lambda: None),
        )

    return build


def seen(worker: Worker) -> list[int]:
    """Return the seqs that a recorder has committed, in order."""
    return [seq for (seq,) in worker.journal.connection.execute("SELECT seq FROM seen ORDER BY id")]


class Killed(Exception):
    """The process was killed at a commit."""


class Fragile(Journal):
    """A journal whose ``commit`` fails as told: ``before`` and ``after`` map the nth commit to an error."""

    def __init__(
        self,
        inner: Journal,
        *,
        before: Mapping[int, Exception] | None = None,
        after: Mapping[int, Exception] | None = None,
    ) -> None:
        self.__dict__.update(inner.__dict__)  # stands in for it: the inner one is not used any more
        self.before, self.after = before or {}, after or {}
        self.commits = 0

    def commit(self, **parts: Any) -> tuple[Record, ...]:
        """Commit, or fail before or after it."""
        self.commits += 1
        if (error := self.before.get(self.commits)) is not None:
            raise error
        records = super().commit(**parts)
        if (error := self.after.get(self.commits)) is not None:
            raise error
        return records
