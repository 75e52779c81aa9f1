"""Everything that this package raises on purpose.

Sorted by who must act::

    ProtocolError
    |-- FrameError                bytes from someone else: drop the frame, count it
    |   |-- TooLarge
    |   |-- WrongVersion
    |   |-- UnknownKind
    |   `-- Malformed
    |-- JournalError              a database file: a person must look, unless ``retriable``
    |   |-- ForeignFile
    |   |-- CorruptJournal
    |   |-- NewerSchema
    |   `-- StorageError          (retriable: the journal stays usable)
    |       |-- StorageFull
    |       |-- ReadOnlyStorage
    |       `-- StorageBusy
    |-- StreamError               a producer's journal does not fit the cursor: a person must look
    |   |-- JournalReplaced
    |   `-- HistoryLost
    |-- PlaceError                directories, registry, secrets: tell the user
    |   |-- NoRoot
    |   |-- SeveralRoots
    |   |-- UnsafeDirectory
    |   |-- PathTooLong
    |   `-- SecretUnreadable
    `-- TransportError
        |-- EndpointUnusable      this process may not, or cannot, bind or connect there
        `-- NoAnswer              nobody answered in time: try again, or say so
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


class ProtocolError(Exception):
    """Base of all errors of this package. ``retriable``: the same call may succeed later by itself."""

    retriable: ClassVar[bool] = False


class FrameError(ProtocolError):
    """Bytes that are no frame of the conversation ``conversation``."""

    def __init__(self, conversation: str) -> None:
        super().__init__(conversation)
        self.conversation = conversation


class TooLarge(FrameError):
    """A frame or record body of ``size`` bytes, where ``limit`` are allowed."""

    def __init__(self, conversation: str, size: int, limit: int) -> None:
        super().__init__(conversation)
        self.size, self.limit = size, limit

    def __str__(self) -> str:
        return f"{self.conversation}: {self.size} bytes, at most {self.limit} are allowed"


class WrongVersion(FrameError):
    """A frame of another version of the protocol."""

    def __init__(self, conversation: str, found: int, expected: int) -> None:
        super().__init__(conversation)
        self.found, self.expected = found, expected

    def __str__(self) -> str:
        return (
            f"{self.conversation}: a frame of version {self.found}, this program speaks version "
            f"{self.expected}; run the same release on both sides"
        )


class UnknownKind(FrameError):
    """A message that the conversation does not have."""

    def __init__(self, conversation: str, found: str, allowed: Sequence[str]) -> None:
        super().__init__(conversation)
        self.found, self.allowed = found, tuple(allowed)

    def __str__(self) -> str:
        return f"{self.conversation}: unknown kind {self.found[:60]!r}, known are {', '.join(self.allowed)}"


class Malformed(FrameError):
    """Bytes that do not decode; ``detail`` says where and why."""

    def __init__(self, conversation: str, detail: str) -> None:
        super().__init__(conversation)
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.conversation}: malformed: {self.detail}"


class JournalError(ProtocolError):
    """Something is wrong with the journal at ``path``; ``detail`` says what was found."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(path, detail)
        self.path, self.detail = path, detail


class ForeignFile(JournalError):
    """The file belongs to another program, or to another stream. It was not touched."""

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.detail}; it was left as it is. "
            "Move it away, or use another state directory (--state-dir)"
        )


class CorruptJournal(JournalError):
    """The file is damaged. It was not touched; ``backup`` is the copy that was made, None when none was."""

    def __init__(self, path: Path, detail: str, backup: Path | None = None) -> None:
        super().__init__(path, detail)
        self.backup = backup

    def __str__(self) -> str:
        kept = f"a copy is kept at {self.backup}" if self.backup else "no copy was made"
        return (
            f"{self.path} is damaged: {self.detail}; it was left as it is, {kept}. Restore it from a backup, "
            "or move it away together with its -wal and -shm files to begin anew without its contents"
        )


class NewerSchema(JournalError):
    """The file was written by a later release. It was not touched."""

    def __init__(self, path: Path, found: int, supported: int) -> None:
        super().__init__(path, f"schema {found}")
        self.found, self.supported = found, supported

    def __str__(self) -> str:
        return (
            f"{self.path} has schema {self.found}, this release knows up to {self.supported}; "
            "it was left as it is. Install the release that wrote it"
        )


class StorageError(JournalError):
    """Nothing was written and nothing was lost: the same call may be made again."""

    retriable = True


class StorageFull(StorageError):
    """The disk, a quota or a size limit has no room left."""

    def __str__(self) -> str:
        return f"{self.path}: no room to write ({self.detail}); nothing was written. Make room on the disk"


class ReadOnlyStorage(StorageError):
    """The file or its directory may not be written."""

    def __str__(self) -> str:
        return (
            f"{self.path}: not writable ({self.detail}); nothing was written. Make it writable for this user"
        )


class StorageBusy(StorageError):
    """Another process holds the write lock."""

    def __str__(self) -> str:
        return (
            f"{self.path}: in use by another writer ({self.detail}); nothing was written. Stop the other one"
        )


class StreamError(ProtocolError):
    """The producer ``source`` cannot go on from where the stored cursor stands."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source


class JournalReplaced(StreamError):
    """The producer has another journal than the cursor is about, or less of the same one.

    ``expected`` and ``found`` are journal ids, ``cursor`` the last seq received, ``last_seq`` the
    producer's newest.
    """

    def __init__(self, source: str, expected: str, found: str, *, cursor: int, last_seq: int) -> None:
        super().__init__(source)
        self.expected, self.found, self.cursor, self.last_seq = expected, found, cursor, last_seq

    def __str__(self) -> str:
        if self.expected == self.found:
            what = f"its journal ends at {self.last_seq}, but {self.cursor} was already received"
        else:
            what = f"its journal is {self.found}, the stored cursor ({self.cursor}) is about {self.expected}"
        return (
            f"{self.source}: {what}; it was lost, or restored from an older copy. Restore the state "
            "directory as a whole, or begin with an empty one: nothing is skipped silently"
        )


class HistoryLost(StreamError):
    """The producer no longer keeps what this consumer has yet to read."""

    def __init__(self, source: str, *, cursor: int, first_seq: int) -> None:
        super().__init__(source)
        self.cursor, self.first_seq = cursor, first_seq

    def __str__(self) -> str:
        return (
            f"{self.source}: record {self.cursor + 1} comes next, the oldest one kept is {self.first_seq}. "
            "Restore the producer's journal, or begin with an empty state directory: nothing is skipped"
        )


class PlaceError(ProtocolError):
    """A directory, registry entry or secret is not as it must be."""


class NoRoot(PlaceError):
    """No root is known, or none runs, on ``state_dir`` (None: on any)."""

    def __init__(self, state_dir: Path | None, registry: Path) -> None:
        super().__init__(state_dir, registry)
        self.state_dir, self.registry = state_dir, registry

    def __str__(self) -> str:
        where = f" on {self.state_dir}" if self.state_dir else ""
        return f"no root is running{where} (looked in {self.registry}); start one with `supervisor start`"


class SeveralRoots(PlaceError):
    """More than one root runs, and none was named."""

    def __init__(self, state_dirs: Sequence[str]) -> None:
        super().__init__(tuple(state_dirs))
        self.state_dirs = tuple(state_dirs)

    def __str__(self) -> str:
        return f"several roots are running, say which with --state-dir: {', '.join(self.state_dirs)}"


class UnsafeDirectory(PlaceError):
    """A directory for sockets that others could use or have prepared; ``detail`` says how."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(path, detail)
        self.path, self.detail = path, detail

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.detail}; it must be a directory of this user with mode 0700. "
            "Remove it, or name another one with SUPERVISOR_RUNTIME_DIR"
        )


class PathTooLong(PlaceError):
    """A socket path that the kernel would not take."""

    def __init__(self, path: str, limit: int) -> None:
        super().__init__(path, limit)
        self.path, self.limit = path, limit

    def __str__(self) -> str:
        return (
            f"{self.path}: {len(self.path.encode())} bytes, a socket path has at most {self.limit}; "
            "name a shorter directory with SUPERVISOR_RUNTIME_DIR"
        )


class SecretUnreadable(PlaceError):
    """The file that should hold the secret ``name`` cannot be read. Never holds the secret."""

    def __init__(self, name: str, path: Path, detail: str) -> None:
        super().__init__(name, path, detail)
        self.name, self.path, self.detail = name, path, detail

    def __str__(self) -> str:
        return (
            f"{self.name}: cannot read {self.path} ({self.detail}); "
            f"correct {self.name}_FILE or the mode of the file"
        )


class TransportError(ProtocolError):
    """Something about sockets."""


class EndpointUnusable(TransportError):
    """A socket could not be bound or connected."""

    def __init__(self, endpoint: str, detail: str) -> None:
        super().__init__(endpoint, detail)
        self.endpoint, self.detail = endpoint, detail

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.detail}"


class NoAnswer(TransportError):
    """Nobody answered at ``endpoint`` within ``timeout`` seconds."""

    retriable = True

    def __init__(self, endpoint: str, timeout: float) -> None:
        super().__init__(endpoint, timeout)
        self.endpoint, self.timeout = endpoint, timeout

    def __str__(self) -> str:
        return f"no answer from {self.endpoint} within {self.timeout:g} s"
