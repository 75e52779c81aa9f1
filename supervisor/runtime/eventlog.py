"""The journal of supervision events: kept on disk, then sent to whoever follows them.

Events that cannot be written (a full disk) wait in memory, up to a bound.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec

from protocol import places
from protocol.codec import BROADCAST, EVENTS, STREAM_REPLY, STREAM_REQUEST
from protocol.errors import FrameError, StorageError
from protocol.journal import Journal
from protocol.messages.notice import SupervisionEvent
from protocol.messages.stream import EventsRole
from protocol.publisher import Publisher
from protocol.retention import Policy
from protocol.transport.port import Outlet, Router, Transport
from supervisor.link.noise import Noise
from supervisor.runtime.eventkeeping import POLICY, TABLE, EventKeeper

STREAM = "root"
_WAITING_KEPT = 10_000
_FETCH_BYTES = 4096


class EventLog:
    """Commits events in batches and publishes them.

    ``trouble(error)`` hears of a commit that failed, ``lost(path)`` once when the file was taken away.
    """

    def __init__(
        self,
        path: Path,
        *,
        wall_ms: Callable[[], int],
        trouble: Callable[[StorageError], None],
        lost: Callable[[Path], None],
        clock: Callable[[], float] = time.monotonic,
        policy: Policy = POLICY,
    ) -> None:
        self._journal = Journal.open(path, stream=STREAM, durability="process", tables=(TABLE,))
        self._clock, self._keeper = clock, EventKeeper(self._journal, policy, now=clock())
        self._path, self._lost = path, lost
        self._file = _identity(path)
        self._publisher = Publisher(self._journal, EventsRole())
        self._wall_ms = wall_ms
        self._trouble = trouble
        self._waiting: deque[tuple[int, SupervisionEvent]] = deque(maxlen=_WAITING_KEPT)
        self._totals = self._restored()
        self._outlet: Outlet | None = None
        self._router: Router | None = None

    def serve(self, transport: Transport, runtime_dir: str, noise: Noise) -> None:
        """Offer the stream to followers: the past on request, the new as it comes."""
        self._outlet = transport.publisher(places.endpoint(runtime_dir, STREAM, "live"))
        endpoint = places.endpoint(runtime_dir, STREAM, "past")
        self._router = transport.router(endpoint, self._answer(noise), max_bytes=_FETCH_BYTES)

    def add(self, event: SupervisionEvent) -> None:
        """Take an event; it is on disk after the next :meth:`flush`."""
        self._waiting.append((self._wall_ms(), event))
        if event.event == "restarting" and event.child is not None:
            self._totals[event.child] += 1

    def flush(self) -> None:
        """Write and publish what waits. Does not raise when the disk refuses: it is tried again next time."""
        while self._waiting:
            at_ms, group = next(groupby(self._waiting, key=itemgetter(0)))
            batch = [event for _, event in group]
            bodies = [EVENTS.encode(event) for event in batch]
            try:
                state = msgspec.msgpack.encode(dict(self._totals))
                records = self._journal.commit(bodies=bodies, at_ms=at_ms, state=state)
            except StorageError as error:
                self._trouble(error)
                return
            for _ in batch:
                self._waiting.popleft()
            if self._outlet is not None:
                self._outlet.send(BROADCAST.encode(self._publisher.live(records), stream=STREAM))

    def announce(self) -> None:
        """Say how far the journal goes, so that a lost last message is noticed; forget a bite of what is due.

        To be called every second.
        """
        self._tidy()
        if self._file is not None and _identity(self._path) != self._file:
            self._file = None
            self._lost(self._path)
        if self._outlet is not None:
            self._outlet.send(BROADCAST.encode(self._publisher.tip(), stream=STREAM))

    def restarts_total(self, child: str) -> int:
        """Automatic restarts of the child since the state directory was made."""
        return self._totals[child]

    def close(self) -> None:
        """Write what waits and close the file."""
        self.flush()
        self._journal.close()

    def _tidy(self) -> None:
        try:
            self._keeper.turn(self._clock())
        except StorageError as error:
            self._trouble(error)

    def _restored(self) -> Counter[str]:
        state = self._journal.state()
        return Counter(msgspec.msgpack.decode(state, type=dict[str, int]) if state else {})

    def _answer(self, noise: Noise) -> Callable[[bytes, bytes], None]:
        def answer(identity: bytes, frame: bytes) -> None:
            try:
                _, fetch = STREAM_REQUEST.decode(frame)
            except FrameError as error:
                noise.count("events", type(error).__name__, str(error))
                return
            self._keeper.asked(fetch, now=self._clock(), at_ms=self._wall_ms())
            if self._router is not None:
                self._router.send(identity, STREAM_REPLY.encode(self._publisher.answer(fetch), stream=STREAM))

        return answer


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
