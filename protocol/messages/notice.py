"""The conversation of supervision events: what the root records and tells the notifier."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class SupervisionEvent(Struct, frozen=True, tag="supervision", kw_only=True):
    """Something that happened to the tree; ``facts`` are the further keys of the JSON line.

    ``event`` is one of: root_started spawned ready exited restarting hung parked held escalated
    stop_asked restart_asked stopped reloaded warning root_stopped. ``child`` is None for the root.
    """

    event: str
    child: str | None = None
    incarnation: int | None = None
    pid: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)


EventRecord = SupervisionEvent
