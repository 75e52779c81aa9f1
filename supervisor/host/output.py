"""The one reader of all children's output and the one writer of all logs: a thread around a selector.

    child --pipe--> LineSplitter -> parse -> Encoder -> <child>.jsonl, system.jsonl
    root  --write()------------------^   \\-> LastWords, Console

Nothing here can stop a child or the root: a full disk, a stuck terminal, a line without end, bytes that
are no text are survived and counted. A pipe is never waited for to end: a grandchild may hold it open.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import struct
import termios
import threading
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from supervisor.host.console import Console
from supervisor.host.last_words import LastWords
from supervisor.host.logfile import LogFile, Retention
from supervisor.host.records import Encoder, LineSplitter, Record, complete, parse
from supervisor.host.secrets import Scrubber, secret_values

ROOT: Final = "root"
SYSTEM: Final = "system"
_CHUNK: Final = 64 * 1024
_TURN: Final = 4
"""Chunks read of one pipe before the others have their turn."""
_SETTLE_CHUNKS: Final = 64
"""At most 4 MiB are read to settle a pipe: more than any pipe holds, however fast a grandchild writes."""
_ROOM: Final = 10_000
_OPEN_FILES: Final = 64
_PAUSE: Final = 0.1
"""Seconds to wait after a defect, so that a lasting one does not eat a core."""


@dataclass
class Pipe:
    """The read end of one incarnation's output. The reader holds ``reading`` while it works on it."""

    child: str
    incarnation: int
    fd: int
    lines: LineSplitter = field(default_factory=LineSplitter)
    open: bool = True
    reading: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_read(self) -> bool:
        """Whether all that was written has been read and heard; False also when that cannot be told now."""
        if not self.reading.acquire(blocking=False):
            return False
        try:
            return not (self.open and (self._waiting or self.lines.unfinished))
        finally:
            self.reading.release()

    @property
    def _waiting(self) -> int:
        """Bytes in the pipe."""
        (waiting,) = struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4)))
        return int(waiting)


class Output:
    """Captures, stores and shows all output. Every method may be called from any thread.

    ``close`` must be called once. ``environ`` is where the secrets to mask are looked for.
    """

    def __init__(
        self,
        log_dir: Path,
        *,
        console: Console | None,
        retention: Retention | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.log_dir = log_dir
        self._console = console
        self._retention = retention
        self._encoder = Encoder(Scrubber(secret_values(environ)))
        self._files: OrderedDict[str, LogFile] = OrderedDict()
        self._touched: set[str] = set()
        self._pipes: dict[tuple[str, int], Pipe] = {}
        self._last = LastWords()
        self._asked: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._pause = threading.Event()
        self._waiting = 0
        self._overflowed = 0
        self._closed = False
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def attach(self, child: str, incarnation: int, fd: int) -> None:
        """Read the pipe ``fd`` as the output of this incarnation. Takes ownership of ``fd``."""
        os.set_blocking(fd, False)
        pipe = Pipe(child, incarnation, fd)
        with self._lock:
            if not self._closed:
                self._pipes[child, incarnation] = pipe
                self._ask(lambda: self._add(pipe))
                return
        os.close(fd)

    def write(self, record: Record) -> None:
        """Log a record of the root itself: process ``root``, time added where it has none."""
        whole = complete(dict(record), ROOT)
        with self._lock:
            if self._closed or self._waiting >= _ROOM:
                self._overflowed += 1
                return
            self._waiting += 1
            self._ask(lambda: self._store_own(whole))

    def is_settled(self, child: str, incarnation: int) -> bool:
        """Whether all that this incarnation had written is stored; False also when nobody can tell."""
        pipe = self._pipes.get((child, incarnation))
        # In this order: what is read by now is stored, or is known to be not yet stored.
        return (pipe is None or pipe.is_read) and child not in self._touched

    def when_settled(self, child: str, incarnation: int, then: Callable[[], None]) -> None:
        """Call ``then`` in the reader's thread when all that this incarnation had written is stored."""
        with self._lock:
            if not self._closed:
                self._ask(lambda: self._settle(child, incarnation, then))
                return
        then()

    def settle(self, child: str, incarnation: int, timeout: float) -> bool:
        """Wait until all that a dead incarnation had written is read and stored. False: not in time."""
        done = threading.Event()
        self.when_settled(child, incarnation, done.set)
        return done.wait(timeout)

    def last_lines(self, child: str) -> tuple[str, ...]:
        """Return the last 20 lines of a child, over all its incarnations."""
        return self._last.lines(child)

    def last_word(self, child: str, incarnation: int) -> str | None:
        """Return the last error this incarnation reported, or the exception its traceback ended with."""
        return self._last.word(child, incarnation)

    def forget(self, child: str) -> None:
        """Drop what is kept in memory about a child that will not come back. Its files stay."""
        self._last.forget(child)
        with self._lock:
            if not self._closed:
                self._ask(lambda: self._forget_file(child))

    @property
    def dropped(self) -> dict[str, int]:
        """How many lines were lost: by log, ``console`` for the terminal, ``queue`` for the root's own."""
        with self._lock:
            counts = {name: file.dropped for name, file in self._files.items()}
            counts |= {"queue": self._overflowed, "console": self._console.dropped if self._console else 0}
        return {name: count for name, count in counts.items() if count}

    def close(self, timeout: float = 2.0) -> bool:
        """Read what is there, write it, show it, and end. Harmless when repeated.

        Waits at most ``timeout`` seconds for the files, then for the terminal. Returns whether all was
        written and shown in time.
        """
        with self._lock:
            if not self._closed:
                self._closed = True
                self._ask(lambda: None)
        self._thread.join(timeout)
        shown = self._console.close(timeout) if self._console else True
        return shown and not self._thread.is_alive()

    def _ask(self, action: Callable[[], None]) -> None:
        self._asked.append(action)
        # A full wake-up pipe has woken the thread already.
        with suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def _run(self) -> None:
        # Not to be in the way of a child that ends: its last output wakes this thread before its end does.
        os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))
        while not self._closed:
            self._carefully(self._turn)
        self._finish()

    def _carefully(self, step: Callable[[], None]) -> None:
        try:
            step()
        # Without this thread every child would block on its full pipe: it must outlive any defect.
        except Exception:  # noqa: BLE001
            self._stumbled(traceback.format_exc())

    def _stumbled(self, trace: str) -> None:
        record = {"level": "ERROR", "message": "log reader stumbled", "exception": trace}
        self._store(complete(record, ROOT), ROOT)
        self._pause.wait(_PAUSE)

    def _turn(self) -> None:
        # After a defect the rest of that turn is still to do.
        patience = 0 if self._asked or self._touched else None
        for key, _ in self._selector.select(patience):
            if key.fd == self._wake_read:
                with suppress(BlockingIOError):
                    os.read(self._wake_read, _CHUNK)
            else:
                self._read(key.data, _TURN)
        self._do_asked()
        self._flush()

    def _do_asked(self) -> None:
        for _ in range(len(self._asked)):
            self._asked.popleft()()

    def _add(self, pipe: Pipe) -> None:
        if pipe.open:  # as a rule: who asked before may have had it read to its end
            self._selector.register(pipe.fd, selectors.EVENT_READ, pipe)

    def _read(self, pipe: Pipe, chunks: int) -> None:
        with pipe.reading:
            for _ in range(chunks):
                if not pipe.open:
                    return
                try:
                    data = os.read(pipe.fd, _CHUNK)
                except BlockingIOError:
                    return
                except OSError:
                    data = b""
                if not data:
                    self._end(pipe)
                for line in pipe.lines.feed(data):
                    self._hear(pipe, line)

    def _end(self, pipe: Pipe) -> None:
        self._take_rest(pipe)
        if pipe.fd in self._selector.get_map():
            self._selector.unregister(pipe.fd)
        os.close(pipe.fd)
        pipe.open = False
        del self._pipes[pipe.child, pipe.incarnation]

    def _take_rest(self, pipe: Pipe) -> None:
        for line in pipe.lines.flush():
            self._hear(pipe, line)

    def _settle(self, child: str, incarnation: int, then: Callable[[], None]) -> None:
        pipe = self._pipes.get((child, incarnation))
        if pipe is not None:
            self._read(pipe, _SETTLE_CHUNKS)
        if pipe is not None and pipe.open:
            self._take_rest(pipe)
        self._flush()
        then()

    def _hear(self, pipe: Pipe, line: bytes) -> None:
        record = self._store(parse(line, pipe.child), pipe.child)
        self._last.hear(pipe.child, pipe.incarnation, record)

    def _store_own(self, record: Record) -> None:
        with self._lock:
            self._waiting -= 1
        self._store(record, ROOT)

    def _store(self, record: Record, name: str) -> Record:
        record, line = self._encoder.safe_line(record)
        for log in (name, SYSTEM):
            self._file(log).add(line)
            self._touched.add(log)
        if self._console is not None:
            self._console.show(record)
        return record

    def _file(self, name: str) -> LogFile:
        file = self._files.get(name)
        if file is None:
            file = LogFile(self.log_dir, name, retention=self._retention)
            with self._lock:
                self._files[name] = file
        return file

    def _forget_file(self, name: str) -> None:
        with self._lock:
            file = self._files.pop(name, None)
        if file is not None:
            file.close()
            self._touched.discard(name)

    def _flush(self) -> None:
        for name in self._touched:
            self._files[name].flush()
            self._files.move_to_end(name)
        self._touched.clear()
        # Hundreds of quiet children must not hold hundreds of descriptors.
        for file in list(self._files.values())[:-_OPEN_FILES]:
            file.close()

    def _finish(self) -> None:
        while self._asked:
            self._carefully(self._do_asked)
        for pipe in list(self._pipes.values()):
            self._read(pipe, _SETTLE_CHUNKS)
            if pipe.open:
                self._end(pipe)
        self._flush()
        for file in self._files.values():
            file.close()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
