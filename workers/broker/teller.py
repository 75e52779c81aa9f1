"""The teller: brings operators' instructions from their journal to the core, a few times a second."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

from loguru import logger

from protocol.codec import INSTRUCTIONS
from protocol.errors import FrameError
from protocol.journal import open_readonly, read_records
from protocol.messages.instruction import PlaceOrder
from protocol.messages.stream import Record
from workers.broker.instructions import Told

LOOK_S: Final = 0.15
BATCH: Final = 100


class Instructable(Protocol):
    """What takes the instructions."""

    def instruct(self, journal: str, told: Sequence[Told]) -> None:
        """Take instructions of a journal, consecutive and in order."""
        ...

    def instructed(self, journal: str) -> int:
        """Return the seq up to which those of a journal were taken; 0 for another journal."""
        ...


class Teller:
    """Looks for instructions in ``path``; ``books`` says which order ids are on record already."""

    def __init__(self, core: Instructable, path: Path, books: sqlite3.Connection) -> None:
        self._core, self._path, self._books = core, path, books
        self._seen: tuple[int, ...] = ()
        self._fault: str | None = None

    async def serve(self, wake: Callable[[], None]) -> None:
        """Look again and again until cancelled."""
        while True:
            if self.look():
                wake()
            await asyncio.sleep(LOOK_S)

    def look(self) -> bool:
        """Hand over what is new; whether there was anything.

        A journal that cannot be read now is complained about once and tried again: trading goes on.
        """
        seen = self._footprint()
        if seen == self._seen:
            return False
        try:
            found = self._read()
        except (sqlite3.Error, FrameError) as error:
            self._complain(str(error))
            return False
        self._fault = None
        # A full batch may have left some behind: then look again although nothing changes.
        self._seen = () if found == BATCH else seen
        return found > 0

    def _footprint(self) -> tuple[int, ...]:
        """Return what changes when a record is written: size and time of the file and of its log."""
        sizes: list[int] = []
        for path in (self._path, self._path.with_name(f"{self._path.name}-wal")):
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            sizes += (found.st_ino, found.st_size, found.st_mtime_ns)
        return tuple(sizes)

    def _read(self) -> int:
        with closing(open_readonly(self._path)) as connection:
            journal = str(connection.execute("SELECT id FROM journal").fetchone()[0])
            records = read_records(connection, after=self._core.instructed(journal), limit=BATCH)
        told = [self._told(record) for record in records]
        if told:
            self._core.instruct(journal, told)
        return len(told)

    def _told(self, record: Record) -> Told:
        instructed = INSTRUCTIONS.decode(record.body)
        instruction = instructed.instruction
        used = isinstance(instruction, PlaceOrder) and self._is_used(instruction.order.client_order_id)
        return Told(record.seq, instructed, used)

    def _is_used(self, client_order_id: str) -> bool:
        query = "SELECT 1 FROM orders WHERE client_order_id = ?"
        return self._books.execute(query, (client_order_id,)).fetchone() is not None

    def _complain(self, fault: str) -> None:
        if fault != self._fault:
            self._fault = fault
            logger.error("instructions in {} cannot be read: {}", self._path, fault)
