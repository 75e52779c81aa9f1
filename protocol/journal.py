"""A producer's journal: numbered records, cursors on what it consumes, and its state, in one transaction.

After a kill at any instant the file holds a commit wholly or not at all. There is one writer (the worker);
readers use :func:`open_readonly` and disturb nobody. What is committed may be announced, nothing else.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from protocol.codec import MAX_BODY
from protocol.errors import TooLarge
from protocol.journal_file import boot_id, open_file, open_readonly, size_of, translated
from protocol.messages.stream import Former, Record

__all__ = ["Cursor", "Durability", "Journal", "open_readonly", "read_records"]

Durability = Literal["power", "process"]
"""What a commit survives: a power loss (one fsync each), or the death of the process only."""

PRUNED_AT_ONCE: Final = 500
"""How many records are forgotten in one transaction: a few milliseconds."""

FORMER_KEPT: Final = 8
"""How many former ids are told."""

SYNCHRONOUS: Final[Mapping[Durability, str]] = {"power": "FULL", "process": "NORMAL"}


@dataclass(frozen=True)
class Cursor:
    """How far a source was consumed: the last seq done, and the id of the journal it counts in."""

    journal: str
    seq: int


@dataclass(frozen=True)
class Reader:
    """Who reads the stream: done with everything up to ``seq``, last heard of at ``seen_ms`` (UTC)."""

    seq: int
    seen_ms: int


class Journal:
    """An open journal; made by :meth:`open`. For one thread. Fits ``publisher.Source``."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        *,
        journal_id: str,
        pruned: int,
        last_seq: int,
        settled: bool,
    ) -> None:
        self.path = path
        self._connection = connection
        self._id, self._pruned, self._last_seq = journal_id, pruned, last_seq
        self._former = _former(connection)
        self._settled = settled

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        stream: str,
        durability: Durability | None = "process",
        tables: Sequence[str] = (),
        boot: str | None = None,
    ) -> Journal:
        """Open the journal of ``stream``, or make it with its directories.

        ``tables`` are the CREATE TABLE IF NOT EXISTS statements of the worker's own tables; the names
        journal, records, cursors and core_state are taken. Raises ForeignFile, CorruptJournal or
        NewerSchema for a file that a person must look at (it stays as it is; a copy of a damaged one is
        kept and named), or a StorageError.

        ``durability`` None: not known yet; each commit is synced until :meth:`settle` says otherwise.

        ``boot`` names the present boot (None: ask the machine). A journal that was last written under another
        one, without a sync for each commit, may have lost its last records: it goes on under a new id, and
        tells how far it came under the :attr:`former` ones.
        """
        connection = open_file(path, stream=stream)
        try:
            with translated(path):
                connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability or 'power']}")
                with _transaction(connection):
                    for statement in tables:
                        connection.execute(statement)
                    _begin_boot(connection, None if durability == "power" else boot or boot_id())
                journal_id, pruned, last_seq = _extent(connection)
                settled = durability is not None
                return cls(
                    path,
                    connection,
                    journal_id=journal_id,
                    pruned=pruned,
                    last_seq=last_seq,
                    settled=settled,
                )
        except BaseException:
            connection.close()
            raise

    def settle(self, durability: Durability) -> None:
        """Decide what :meth:`open` left open. A durability given there stands; so does what was settled.

        A journal that was left open keeps the mark of its boot, so that its readers are told in the next one
        how far it came, whatever was settled: that costs them nothing where nothing was lost.
        """
        if not self._settled:
            self._settled = True
            with translated(self.path):
                self._connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")

    @property
    def id(self) -> str:
        """The random id given to this journal when it was made."""
        return self._id

    @property
    def first_seq(self) -> int:
        """The oldest seq kept; ``last_seq + 1`` when nothing is kept."""
        return self._pruned + 1

    @property
    def last_seq(self) -> int:
        """The newest seq; 0 when there was none yet."""
        return self._last_seq

    @property
    def former(self) -> tuple[Former, ...]:
        """Under which ids the journal went before, the newest last."""
        return self._former

    @property
    def connection(self) -> sqlite3.Connection:
        """For reading the worker's own tables; written only through :meth:`commit`."""
        return self._connection

    def commit(
        self,
        *,
        bodies: Sequence[msgspec.Raw] = (),
        at_ms: int = 0,
        cursors: Mapping[str, Cursor] = {},
        state: bytes | None = None,
        statements: Iterable[tuple[str, tuple[Any, ...]]] = (),
    ) -> tuple[Record, ...]:
        """Write all of it, or nothing: new records, moved cursors, the state (None: unchanged), statements.

        Returns the records with their numbers, to be published now. On any error nothing is written and
        the journal stays usable: a StorageError may be tried again, TooLarge and errors of the caller's
        SQL may not.
        """
        records = self._numbered(bodies, at_ms)
        with translated(self.path), _transaction(self._connection) as write:
            write.executemany(
                "INSERT INTO records VALUES (?, ?, ?)", [(r.seq, r.at_ms, r.body) for r in records]
            )
            write.executemany(
                "INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)",
                [(source, cursor.journal, cursor.seq) for source, cursor in cursors.items()],
            )
            if state is not None:
                write.execute("INSERT OR REPLACE INTO core_state VALUES (1, ?)", (state,))
            for sql, parameters in statements:
                write.execute(sql, parameters)
        self._last_seq += len(records)
        return records

    def read(self, after: int, limit: int) -> tuple[Record, ...]:
        """At most ``limit`` records with a seq greater than ``after``, in order."""
        with translated(self.path):
            return read_records(self._connection, after=after, limit=limit)

    def cursor(self, source: str) -> Cursor | None:
        """How far ``source`` was consumed; None when never."""
        with translated(self.path):
            found = self._connection.execute(
                "SELECT journal, seq FROM cursors WHERE source = ?", (source,)
            ).fetchone()
        return Cursor(*found) if found else None

    def state(self) -> bytes | None:
        """The state of the last commit that had one; None when there was none."""
        with translated(self.path):
            found = self._connection.execute("SELECT body FROM core_state").fetchone()
        return bytes(found[0]) if found else None

    def readers(self) -> dict[str, Reader]:
        """Who is known to read the stream."""
        with translated(self.path):
            found = self._connection.execute("SELECT name, seq, seen_ms FROM readers").fetchall()
        return {name: Reader(seq, seen_ms) for name, seq, seen_ms in found}

    def note_readers(self, readers: Mapping[str, Reader]) -> None:
        """Remember how far these readers are."""
        with translated(self.path), _transaction(self._connection) as write:
            write.executemany(
                "INSERT OR REPLACE INTO readers VALUES (?, ?, ?)",
                [(name, reader.seq, reader.seen_ms) for name, reader in readers.items()],
            )

    def size(self) -> int:
        """How many bytes the contents take in the file; what was forgotten and not used again is no part."""
        with translated(self.path):
            return size_of(self._connection)

    def prune(self, below: int, *, at_once: int = PRUNED_AT_ONCE) -> int:
        """Forget the oldest records with a seq smaller than ``below``, at most ``at_once``, and say how many.

        Numbers are never used again.
        """
        pruned = min(below - 1, self._last_seq, self._pruned + at_once)
        if pruned <= self._pruned:
            return 0
        with translated(self.path), _transaction(self._connection) as write:
            count = write.execute("DELETE FROM records WHERE seq <= ?", (pruned,)).rowcount
            write.execute("UPDATE journal SET pruned = ?", (pruned,))
        self._pruned = pruned
        return count

    def close(self) -> None:
        """Close the file; harmless when repeated. An open journal that is not closed loses nothing."""
        self._connection.close()

    def _numbered(self, bodies: Sequence[msgspec.Raw], at_ms: int) -> tuple[Record, ...]:
        for body in bodies:
            if (size := len(memoryview(body))) > MAX_BODY:
                raise TooLarge("record", size, MAX_BODY)
        return tuple(Record(seq, at_ms, body) for seq, body in enumerate(bodies, self._last_seq + 1))


def read_records(connection: sqlite3.Connection, *, after: int, limit: int) -> tuple[Record, ...]:
    """Read records from any open journal, also one of :func:`open_readonly`."""
    rows = connection.execute(
        "SELECT seq, at_ms, body FROM records WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
    )
    return tuple(Record(seq, at_ms, msgspec.Raw(body)) for seq, at_ms, body in rows)


def _begin_boot(connection: sqlite3.Connection, boot: str | None) -> None:
    journal_id, before, pruned = connection.execute("SELECT id, boot, pruned FROM journal").fetchone()
    if before is not None and before != boot:
        (newest,) = connection.execute("SELECT max(seq) FROM records").fetchone()
        connection.execute(
            "INSERT INTO former (id, last_seq) VALUES (?, ?)", (journal_id, int(newest or pruned))
        )
        connection.execute("UPDATE journal SET id = ?", (secrets.token_hex(8),))
    if before != boot:
        connection.execute("UPDATE journal SET boot = ?", (boot,))


def _former(connection: sqlite3.Connection) -> tuple[Former, ...]:
    found = connection.execute(
        "SELECT id, last_seq FROM former ORDER BY number DESC LIMIT ?", (FORMER_KEPT,)
    ).fetchall()
    return tuple(Former(str(journal_id), int(last_seq)) for journal_id, last_seq in reversed(found))


def _extent(connection: sqlite3.Connection) -> tuple[str, int, int]:
    identity, pruned = connection.execute("SELECT id, pruned FROM journal").fetchone()
    (newest,) = connection.execute("SELECT max(seq) FROM records").fetchone()
    return str(identity), int(pruned), int(newest or pruned)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have made SQLite roll back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
