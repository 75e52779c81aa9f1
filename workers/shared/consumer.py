"""One input of a worker: the consumer's half of the reliable stream, wired to a transport and a core.

Records wait in the subscriber until the core has room for them; live prices wait, thinned out, for the
core's next moment, and never move a cursor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loguru import logger
from msgspec.structs import replace

from protocol.codec import BROADCAST, STREAM_REPLY, STREAM_REQUEST, TICKS
from protocol.errors import FrameError
from protocol.journal import Cursor
from protocol.messages.stream import Fetch, Latest, Role
from protocol.places import endpoint
from protocol.subscriber import Subscriber, never
from protocol.transport.port import Dealer, Transport
from workers.shared.core import Core, Ticking
from workers.shared.waiting import WaitingTicks

FIRST_CONTACT_ROOM: Final = 1
"""What is asked for before the core knows the input, and so cannot say how much room it has."""

LITTLE_ROOM: Final = 100
"""A question for fewer records than this may wait a little, for more room."""

SPARING_S: Final = 0.02
"""How long. A core that takes row by row would else ask for each of them, and be answered each time."""

REPORT_S: Final = 30.0
"""How often a producer at least learns what is done with, so that it may forget it."""


def nothing_more() -> None:
    """Do nothing more when a producer was met."""


class Consumer:
    """Follows ``source`` from ``cursor`` on behalf of ``core``. ``wake`` is called when something came.

    ``ticking`` is the core again where it hears live prices. ``reader`` is what the producer calls us.
    ``met`` is called when the core has learned what the producer is.
    """

    def __init__(
        self,
        source: str,
        core: Core,
        cursor: Cursor | None,
        *,
        clock: Callable[[], float],
        wake: Callable[[], None],
        bad_frame: Callable[[FrameError], None],
        ticking: Ticking | None = None,
        reader: str = "",
        rewinds: Callable[[Role], bool] = never,
        met: Callable[[], None] = nothing_more,
    ) -> None:
        self.source = source
        self._core, self._ticking, self._met = core, ticking, met
        self._clock, self._wake, self._bad_frame = clock, wake, bad_frame
        self._reader, self._report_at = reader, clock() + REPORT_S
        journal, after = (cursor.journal, cursor.seq) if cursor else (None, 0)
        self._newcomer = cursor is None
        self._done = self._reported = after
        self._sparing, self._spare_until = False, 0.0
        self._subscriber = Subscriber(
            source, journal=journal, after=after, latest=ticking is not None, rewinds=rewinds
        )
        self._ticks = WaitingTicks()
        self._introduced: Role | None = None
        self._past: Dealer | None = None
        self.newest_ms: int | None = None

    def connect(self, transport: Transport, runtime_dir: str) -> None:
        """Subscribe to the present first, then open the way to the past."""
        transport.subscriber(
            endpoint(runtime_dir, self.source, "live"), self._on_broadcast, max_bytes=BROADCAST.max_bytes
        )
        self._past = transport.dealer(
            endpoint(runtime_dir, self.source, "past"), self._on_past, max_bytes=STREAM_REPLY.max_bytes
        )

    def hand_over_tick(self) -> bool:
        """Tell the core the live price that waits longest; False when none does."""
        self._introduce()
        if self._ticking is None or self._introduced is None or (latest := self._ticks.take()) is None:
            return False
        try:
            tick = TICKS.decode(latest.body)
        except FrameError as error:
            self._bad_frame(error)
        else:
            self._ticking.tick(self.source, tick)
        return True

    def hand_over(self) -> None:
        """Give the core the records that are here, as far as it has room."""
        self._introduce()
        if self._introduced is None:
            return
        records = self._subscriber.take(max(self._core.room(self.source), 0))
        if records:
            self.newest_ms = max(self.newest_ms or 0, records[-1].at_ms)
            self._core.receive(self.source, records)

    def ask(self, now: float) -> None:
        """Ask for more of the past when there is room for it, and reason to."""
        room = self._core.room(self.source) if self._introduced else FIRST_CONTACT_ROOM
        self._sparing = self._introduced is not None and room < LITTLE_ROOM and now < self._spare_until
        if self._sparing:
            return
        fetch = self._subscriber.poll(now, room) or self._report(now)
        if fetch is not None and self._past is not None:
            self._reported, self._report_at = self._done, now + REPORT_S
            self._spare_until = now + SPARING_S
            journal = self._subscriber.journal or ""
            said = replace(fetch, reader=self._reader, done=self._done, journal=journal)
            self._past.send(STREAM_REQUEST.encode(said, stream=self.source))

    def committed(self, seq: int) -> None:
        """Learn that everything up to ``seq`` is done with, for good."""
        self._done = seq

    def cursor(self, seq: int) -> Cursor:
        """Return the cursor that says: everything up to ``seq`` is done."""
        return Cursor(self._subscriber.journal or "", seq)

    @property
    def ticks_waiting(self) -> int:
        """How many live prices the core has yet to hear."""
        return len(self._ticks)

    @property
    def ticks_dropped(self) -> int:
        """How many trades this life of the worker was too busy to hear."""
        return self._ticks.dropped

    @property
    def introduced(self) -> bool:
        """Whether the producer has answered in this life."""
        return self._introduced is not None

    @property
    def role(self) -> Role | None:
        """What the producer said it is; None before it has answered in this life."""
        return self._introduced

    @property
    def caught_up(self) -> bool:
        """Whether the core has everything that the producer is known to have."""
        return self._subscriber.caught_up

    @property
    def deadline(self) -> float:
        """When :meth:`ask` is wanted though nothing came."""
        deadline = self._subscriber.next_deadline
        return max(deadline, self._spare_until) if self._sparing else deadline

    def _report(self, now: float) -> Fetch | None:
        """A question that asks for next to nothing, to say how far we are."""
        if now < self._report_at or self._done == self._reported or self._introduced is None:
            return None
        return Fetch(after=self._done, limit=1)

    def _introduce(self) -> None:
        role = self._subscriber.role
        if role is not None and role != self._introduced:
            self._core.introduce(self.source, role)
            self._introduced = role
            self._met()

    def _on_past(self, frame: bytes) -> None:
        try:
            _, past = STREAM_REPLY.decode(frame)
        except FrameError as error:
            self._bad_frame(error)
            return
        news = self._subscriber.on_past(past, self._clock())
        self._note_rewound()
        for latest in news:
            self._ticks.put(latest)
        self._wake()

    def _note_rewound(self) -> None:
        subscriber = self._subscriber
        if subscriber.passed_over is not None:
            first, last = subscriber.passed_over
            level = "INFO" if self._newcomer else "WARNING"
            logger.bind(source=self.source).log(
                level, "records {} to {} are no longer kept: passed over", first, last
            )
            self._done = self._reported = subscriber.position
            subscriber.passed_over = None
        if subscriber.rewound_from is not None:
            facts = {
                "source": self.source,
                "from_seq": subscriber.rewound_from,
                "to_seq": subscriber.position,
            }
            logger.bind(**facts).warning("the producer lost its last records; reading on from what is left")
            self._done = self._reported = subscriber.position
            subscriber.rewound_from = None

    def _on_broadcast(self, frame: bytes) -> None:
        try:
            _, message = BROADCAST.decode(frame)
        except FrameError as error:
            self._bad_frame(error)
            return
        if not isinstance(message, Latest):
            self._subscriber.on_broadcast(message, self._clock())
            self._wake()
        elif self._subscriber.on_latest(message):
            self._ticks.put(message)
            self._wake()
