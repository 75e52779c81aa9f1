"""What the notifier needs to go on after a kill."""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from workers.notifier.schedule import Schedule
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


class Tally(Struct):
    """What happened since the last heartbeat."""

    trades: int = 0
    restarts: int = 0
    warnings: int = 0


class NotifierState(Struct, kw_only=True):
    """Owned by the core. ``messages`` numbers the outbox; ``children`` holds how each child was last seen."""

    schema: int = SCHEMA
    messages: int = 0
    heartbeat: Schedule
    health: Schedule
    last_heartbeat_ms: int | None = None
    tally: Tally = field(default_factory=Tally)
    children: dict[str, str] = field(default_factory=dict)
    demo: bool = False

    def encode(self) -> bytes:
        """Return the form that is stored."""
        return msgspec.msgpack.encode(self)


def restore(stored: bytes | None, *, heartbeat_ms: int, health_ms: int) -> NotifierState:
    """Read the state back, or begin; the intervals are those of the configuration.

    Raises:
        CorruptState: the bytes are not a state of this version.
    """
    if stored is None:
        return NotifierState(heartbeat=Schedule(heartbeat_ms), health=Schedule(health_ms))
    try:
        state = msgspec.msgpack.decode(stored, type=NotifierState)
    except msgspec.MsgspecError as error:
        raise CorruptState(str(error)) from error
    if state.schema != SCHEMA:
        raise CorruptState(f"it is of version {state.schema}, this program reads version {SCHEMA}")
    state.heartbeat.interval_ms, state.health.interval_ms = heartbeat_ms, health_ms
    return state
