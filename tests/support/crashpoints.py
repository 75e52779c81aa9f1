"""Every place on the way of a step where a kill may find a worker, in order; enumerated here alone.

    producer's door:  ASKED -> answer -> ANSWERED
    consumer:         -> RECEIVED -> step -> DECIDED -> ticks told
    journal:          -> BEGUN -> RECORDS -> CURSORS -> STATE -> TABLES -> COMMIT -> COMMITTED
    afterwards:       -> PUBLISHED -> LOGGED

The product knows none of this: :func:`arm` wraps the parts of one shell from outside. In a simulated world
the death is an exception and the disk is put back to what the kill would have left; in a real process it is
SIGKILL.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn

from protocol.journal import Journal
from workers.shared.shell import Shell


class CrashPoint(Enum):
    """Named after what has just been done."""

    ASKED = "a reader's question has come"
    ANSWERED = "it is answered"
    RECEIVED = "records are with the core"
    DECIDED = "the step is made"
    BEGUN = "the transaction has begun"
    RECORDS = "the records are written"
    CURSORS = "the cursors are moved"
    STATE = "the state is replaced"
    TABLES = "the worker's own tables are written; COMMIT comes next"
    COMMITTED = "COMMIT has returned"
    PUBLISHED = "the records are told"
    LOGGED = "the lines are logged"


DOOR = frozenset({CrashPoint.ASKED, CrashPoint.ANSWERED})
"""What only a reader's question brings about."""

NOT_PASSED = {"feed": frozenset({CrashPoint.RECEIVED}), "notifier": DOOR | {CrashPoint.PUBLISHED}}
"""A recorded feed has no inputs; a notifier has no stream."""


def passed_by(room: str) -> tuple[CrashPoint, ...]:
    """The points that a worker of this room comes by, in order."""
    return tuple(point for point in CrashPoint if point not in NOT_PASSED.get(room, ()))


AFTER_STATEMENT = {
    "BEGIN IMMEDIATE": CrashPoint.BEGUN,
    "INSERT INTO records": CrashPoint.RECORDS,
    "INSERT OR REPLACE INTO cursors": CrashPoint.CURSORS,
    "INSERT OR REPLACE INTO core_state": CrashPoint.STATE,
    "COMMIT": CrashPoint.COMMITTED,
}
BEFORE_STATEMENT = {"COMMIT": CrashPoint.TABLES}


class Killed(Exception):
    """The simulated process is dead."""


class Fuse:
    """Counts how often ``point`` is passed; the ``nth`` time ``die`` is called."""

    def __init__(self, point: CrashPoint, nth: int, die: Callable[[], NoReturn]) -> None:
        self._point, self._left, self._die = point, nth, die
        self.blown = False

    def passed(self, point: CrashPoint) -> None:
        """Note it, or die."""
        if point is self._point:
            self._left -= 1
            if self._left == 0:
                self.blown = True
                self._die()


class MortalConnection:
    """A connection that stops where its process does: after the death not even a rollback is written."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def in_transaction(self) -> bool:
        return bool(self._inner.in_transaction) and not self._fuse.blown

    def execute(self, sql: str, *rest: Any) -> Any:
        return self._watched(self._inner.execute, sql, *rest)

    def executemany(self, sql: str, *rest: Any) -> Any:
        return self._watched(self._inner.executemany, sql, *rest)

    def _watched(self, run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        self._pass(BEFORE_STATEMENT, sql)
        result = run(sql, *rest)
        self._pass(AFTER_STATEMENT, sql)
        return result

    def _pass(self, points: dict[str, CrashPoint], sql: str) -> None:
        for beginning, point in points.items():
            if sql.startswith(beginning):
                self._fuse.passed(point)


def arm(shell: Shell, point: CrashPoint, nth: int, die: Callable[[], NoReturn]) -> Fuse:
    """Make a shell that is not open yet die when it passes ``point`` the ``nth`` time."""
    fuse = Fuse(point, nth, die)
    parts = vars(shell)
    worker, producer = parts["_worker"], parts["_producer"]
    _replace(worker.journal, "_connection", MortalConnection(worker.journal.connection, fuse))
    _after(worker.core, "receive", lambda _: fuse.passed(CrashPoint.RECEIVED))
    _after(worker.core, "step", lambda step: None if step is None else fuse.passed(CrashPoint.DECIDED))
    _after(shell, "_say", lambda _: fuse.passed(CrashPoint.LOGGED))
    if producer is not None:
        _after(producer, "announce", lambda _: fuse.passed(CrashPoint.PUBLISHED))
        _before(producer, "_on_question", lambda: fuse.passed(CrashPoint.ASKED))
        _after(producer, "_on_question", lambda _: fuse.passed(CrashPoint.ANSWERED))
    return fuse


def _after(owner: object, name: str, then: Callable[[Any], object]) -> None:
    inner = getattr(owner, name)

    def called(*args: Any) -> Any:
        result = inner(*args)
        then(result)
        return result

    _replace(owner, name, called)


def _before(owner: object, name: str, first: Callable[[], object]) -> None:
    inner = getattr(owner, name)

    def called(*args: Any) -> Any:
        first()
        return inner(*args)

    _replace(owner, name, called)


def _replace(owner: object, name: str, by: object) -> None:
    vars(owner)[name] = by


class Remains:
    """The files of a journal as a kill leaves them: kept at the death, put back when all is closed."""

    def __init__(self, journal: Journal) -> None:
        self._path = journal.path
        self._kept = journal.path.parent / "remains"

    def die(self) -> NoReturn:
        """Keep what is on disk now, and end."""
        shutil.rmtree(self._kept, ignore_errors=True)
        self._kept.mkdir()
        for name in self._files(self._path.parent):
            shutil.copyfile(self._path.parent / name, self._kept / name)
        raise Killed

    def put_back(self) -> None:
        """Undo what closing the handles did: a dead process writes nothing."""
        for name in self._files(self._path.parent):
            (self._path.parent / name).unlink()
        for name in self._files(self._kept):
            shutil.copyfile(self._kept / name, self._path.parent / name)
        shutil.rmtree(self._kept)

    def _files(self, folder: Path) -> list[str]:
        shared_memory = (
            f"{self._path.name}-shm"  # gone with the process, in effect: it is made anew from the log
        )
        return [p.name for p in folder.glob(f"{self._path.name}*") if p.name != shared_memory]
