"""The stream of a worker: the producer's half, wired to a transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from protocol.codec import BROADCAST, STREAM_REPLY, STREAM_REQUEST, TICKS
from protocol.errors import FrameError
from protocol.latest import Board
from protocol.messages.stream import Fetch, Former, Record, Role
from protocol.messages.tick import Tick
from protocol.places import endpoint
from protocol.publisher import Publisher, Source
from protocol.transport.port import Outlet, Router, Transport

TIP_S: Final = 1.0
"""How often readers are told how far the stream goes, so that a lost last message is noticed."""
FIRST_TIP_S: Final = 0.05
"""The pause after the first tip, then doubled: readers find back to a new process within moments."""
LIVE_RECORDS: Final = 500
"""The most records told in one live message; readers fetch what is beyond."""


class Producer:
    """Speaks for ``source`` under the name ``child``. ``on_asked`` hears each question before it is answered.

    ``life`` names this process among those that have spoken, and will speak, for the same source.
    """

    def __init__(
        self,
        child: str,
        source: Source,
        role: Role,
        *,
        wall_ms: Callable[[], int],
        wake: Callable[[], None],
        bad_frame: Callable[[FrameError], None],
        on_asked: Callable[[Fetch], None],
        life: str = "",
        former: tuple[Former, ...] = (),
    ) -> None:
        self._child = child
        self._source = source
        self._board = Board(life)
        self._publisher = Publisher(source, role, self._board, former)
        self._wall_ms, self._wake, self._bad_frame = wall_ms, wake, bad_frame
        self._on_asked = on_asked
        self._told = source.last_seq
        self._tip_at, self._tip_gap = 0.0, FIRST_TIP_S
        self._live: Outlet | None = None
        self._past: Router | None = None

    def bind(self, transport: Transport, runtime_dir: str) -> None:
        """Open both doors. Raises EndpointUnusable."""
        self._live = transport.publisher(endpoint(runtime_dir, self._child, "live"))
        self._past = transport.router(
            endpoint(runtime_dir, self._child, "past"), self._on_question, max_bytes=STREAM_REQUEST.max_bytes
        )

    def announce(self, committed: Sequence[Record]) -> None:
        """Tell readers what is new: the records just committed, or what the source has got by itself."""
        records = committed or self._source.read(self._told, LIVE_RECORDS)
        self._told = self._source.last_seq
        if self._live is not None and records:
            frame = BROADCAST.encode(
                self._publisher.live(records[:LIVE_RECORDS]),
                stream=self._child,
                seq=records[-1].seq,
                at_ms=self._wall_ms(),
            )
            self._live.send(frame)

    def tell_ticks(self, ticks: Sequence[Tick]) -> None:
        """Tell live prices at once, and remember the newest for who comes late."""
        for tick in ticks:
            latest = self._board.post(_topic(tick), tick.at_ms, TICKS.encode(tick))
            if self._live is not None:
                frame = BROADCAST.encode(latest, stream=self._child, seq=latest.nth, at_ms=tick.at_ms)
                self._live.send(frame)

    def tell_tip(self, now: float) -> None:
        """Say how far the stream goes, when it is time again."""
        if now < self._tip_at or self._live is None:
            return
        self._tip_at = now + self._tip_gap
        self._tip_gap = min(self._tip_gap * 2, TIP_S)
        tip = self._publisher.tip()
        self._live.send(BROADCAST.encode(tip, stream=self._child, seq=tip.last_seq, at_ms=self._wall_ms()))

    @property
    def deadline(self) -> float:
        """When :meth:`tell_tip` is due."""
        return self._tip_at

    def _on_question(self, identity: bytes, frame: bytes) -> None:
        try:
            _, fetch = STREAM_REQUEST.decode(frame)
        except FrameError as error:
            self._bad_frame(error)
            return
        self._on_asked(fetch)
        self._wake()
        if self._past is not None:
            past = self._publisher.answer(fetch)
            self._past.send(
                identity,
                STREAM_REPLY.encode(past, stream=self._child, seq=past.last_seq, at_ms=self._wall_ms()),
            )


def _topic(tick: Tick) -> str:
    return f"{tick.__struct_config__.tag}/{tick.symbol}"
