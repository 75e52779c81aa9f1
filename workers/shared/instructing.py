"""Telling a broker what to do: a durable instruction, whether the broker runs or not.

Each broker has a journal for them beside its database. It has several writers (a command, the notifier, a web
server), so each opens it, writes one record under a lock of the kernel, and closes it. The broker reads on by
cursor and moves that in the transaction of the effect: what is told once is done once.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from protocol.codec import INSTRUCTIONS
from protocol.journal import Journal
from protocol.journal_file import refused
from protocol.messages.instruction import Instructed, Instruction


class NoSuchBroker(Exception):
    """No broker of this name has ever kept books here; nothing was written."""

    def __init__(self, state_dir: Path, broker: str) -> None:
        super().__init__(state_dir, broker)
        self.state_dir, self.broker = state_dir, broker

    def __str__(self) -> str:
        return (
            f"no broker {self.broker!r} keeps books in {self.state_dir / 'data'}: name the id of the broker's"
            " child in the tree file, and start the tree once before it is told anything"
        )


def instructions_stream(broker: str) -> str:
    """Return the name of the stream of instructions for a broker."""
    return f"{broker}.instructions"


def instructions_file(state_dir: Path, broker: str) -> Path:
    """Return where the instructions for a broker are kept; it may not be there yet."""
    return state_dir / "data" / f"{instructions_stream(broker)}.db"


def instruct(state_dir: Path, broker: str, instruction: Instruction, by: str, at_ms: int) -> str:
    """Write an instruction for ``broker`` to disk and return its id; it is done when the broker reads it.

    ``by`` says who gives it (``cli``, ``telegram:<chat>``, ``http``), ``at_ms`` when (UTC). A broker at work
    reads it within a quarter of a second.

    Raises:
        NoSuchBroker: there are no books of this name.
        JournalError: the instructions cannot be written; nothing was.
        TooLarge: the instruction does not fit into a record.
    """
    if not (state_dir / "data" / f"{broker}.db").exists():
        raise NoSuchBroker(state_dir, broker)
    told = Instructed(id=secrets.token_hex(8), by=by, at_ms=at_ms, instruction=instruction)
    body = INSTRUCTIONS.encode(told)
    path = instructions_file(state_dir, broker)
    try:
        with _alone(path), closing(_opened(path, broker)) as journal:
            _given_to_owner(path)
            journal.commit(bodies=[body], at_ms=at_ms)
    except OSError as error:
        raise refused(Path(error.filename or path), error) from error
    return told.id


def _given_to_owner(path: Path) -> None:
    """Give what root has made here to whom the directory belongs, or nobody else could tell anything more."""
    owner = path.parent.stat()
    if os.geteuid() == 0 and path.stat().st_uid != owner.st_uid:
        os.chown(path, owner.st_uid, owner.st_gid)


def _opened(path: Path, broker: str) -> Journal:
    return Journal.open(path, stream=instructions_stream(broker), durability="power")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other writers out: a journal numbers its records by what it held when it was opened."""
    lock = path.with_suffix(".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _given_to_owner(lock)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
