"""The terminal of the root: shown by a thread of its own, which may be stuck without anybody minding."""

from __future__ import annotations

import os
import queue
import select
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, Any, Final

from supervisor.host.render import Renderer
from supervisor.host.throttle import Throttle

_ROOM: Final = 1000


class Console:
    """Renders records to a stream. ``show`` never waits: what the terminal cannot take is counted.

    ``colour`` None: when the stream is a terminal and ``NO_COLOR`` is not set.
    """

    def __init__(
        self,
        stream: IO[str],
        *,
        colour: bool | None = None,
        room: int = _ROOM,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        plain = bool(os.environ.get("NO_COLOR")) or not stream.isatty()
        self._renderer = Renderer(colour=not plain if colour is None else colour)
        self._stream = stream
        self._throttle = Throttle()
        self._now = now
        self._fd = _descriptor(stream)
        self._queue: queue.Queue[Mapping[str, Any] | None] = queue.Queue(room)
        self._lock = threading.Lock()
        self._untold = 0
        self._gone = False
        self._closing = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self._thread.start()

    def show(self, record: Mapping[str, Any]) -> None:
        """Take a record for the terminal, or count it as dropped.

        DEBUG is for the files alone, and so is what a process repeats many times a second at INFO.
        """
        worth_showing = self._worth_showing(record)
        if worth_showing is None:
            return
        record = worth_showing
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            with self._lock:
                self.dropped += 1
                self._untold += 1

    def close(self, timeout: float = 1.0) -> bool:
        """Show what is left, waiting at most ``timeout`` seconds; return whether all was shown."""
        self._closing.set()
        if not self._thread.is_alive():
            return True
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return False
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _worth_showing(self, record: Mapping[str, Any]) -> Mapping[str, Any] | None:
        level = record.get("level")
        if level == "DEBUG":
            return None
        if level != "INFO" or record.get("stream") == "output":
            return record
        process, message = str(record.get("process")), str(record.get("message"))
        with self._lock:
            skipped = self._throttle.admit(process, message, self._now())
        if skipped is None:
            return None
        return {**record, "message": f"{message} (+{skipped} like this)"} if skipped else record

    def _run(self) -> None:
        while (record := self._queue.get()) is not None:
            # A terminal that has gone (hang-up, closed pipe) gets nothing more; the files have it all.
            if not self._gone:
                self._gone = not self._write(self._renderer.text(record) + "\n" + self._missing())

    def _missing(self) -> str:
        with self._lock:
            untold, self._untold = self._untold, 0
        return f"... {untold} lines not shown: the terminal was too slow\n" if untold else ""

    def _write(self, text: str) -> bool:
        try:
            if self._fd is None:
                self._stream.write(text)
                self._stream.flush()
            else:
                self._write_all(self._fd, text.encode("utf-8", "replace"))
        except (OSError, ValueError):
            return False
        return True

    def _write_all(self, fd: int, data: bytes) -> None:
        # Past the stream object: a thread stuck in it would hold its lock, and block the exit.
        while data:
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                select.select([], [fd], [], 1.0)
                if self._closing.is_set():
                    return


def _descriptor(stream: IO[str]) -> int | None:
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError):
        return None
