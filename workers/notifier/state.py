"""What the notifier needs to go on after a kill."""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from workers.notifier.day import Tally
from workers.notifier.repeats import Repeats
from workers.notifier.schedule import Daily, Every
from workers.shared.exits import PersonMustLook

SCHEMA = 1


class CorruptState(PersonMustLook):
    """The stored state of the notifier cannot be read back."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return (
            f"the stored state of the notifier cannot be read ({self.cause}): put back a backup of its"
            " database in data/, or move that away to begin with an empty outbox"
        )


class Rhythm(Struct, frozen=True, kw_only=True):
    """What comes round how often, by the configuration; ``daily_minute`` after midnight in ``zone``."""

    heartbeat_ms: int = 0
    health_ms: int = 0
    daily_minute: int = 0
    zone: str = "UTC"


class NotifierState(Struct, kw_only=True):
    """Owned by the core. ``children`` holds how each child was last seen.

    ``tally`` counts since the last heartbeat, ``day`` since the last summary. ``boot`` is the host's boot in
    which it was written, ``seen_ms`` when: the host was away from there to the next boot. ``dropped`` counts
    the letters that a channel did not take for so long that they were given up, in all.
    """

    schema: int = SCHEMA
    heartbeat: Every
    health: Every
    last_heartbeat_ms: int | None = None
    tally: Tally = field(default_factory=Tally)
    children: dict[str, str] = field(default_factory=dict)
    demo: bool = False
    daily: Daily = field(default_factory=lambda: Daily(0))
    day: Tally = field(default_factory=Tally)
    repeats: Repeats = field(default_factory=Repeats)
    started_ms: int | None = None
    boot: str | None = None
    seen_ms: int | None = None
    dropped: dict[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the form that is stored."""
        return msgspec.msgpack.encode(self)


def restore(stored: bytes | None, rhythm: Rhythm) -> NotifierState:
    """Read the state back, or begin; what comes round does so as the configuration says now.

    Raises:
        CorruptState: the bytes are not a state of this version.
    """
    state = _decoded(stored) if stored is not None else NotifierState(heartbeat=Every(0), health=Every(0))
    if state.schema != SCHEMA:
        raise CorruptState(f"it is of version {state.schema}, this program reads version {SCHEMA}")
    state.heartbeat.interval_ms, state.health.interval_ms = rhythm.heartbeat_ms, rhythm.health_ms
    state.daily.set(rhythm.daily_minute, rhythm.zone)
    return state


def _decoded(stored: bytes) -> NotifierState:
    try:
        return msgspec.msgpack.decode(stored, type=NotifierState)
    except msgspec.MsgspecError as error:
        raise CorruptState(str(error)) from error
