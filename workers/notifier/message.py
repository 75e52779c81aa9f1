"""A message to a person, before any channel has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

Priority = Literal["critical", "warning", "info"]


class Told(Struct, frozen=True, kw_only=True):
    """Something to tell: its ``kind`` (a row of :data:`workers.notifier.kinds.KINDS`) and the words for it.

    ``at_ms`` is when it happened, by the data or the root. Things with the same ``alike`` repeat each other
    (None: each counts for itself).
    """

    kind: str
    at_ms: int
    fields: Mapping[str, str] = field(default_factory=dict)
    alike: str | None = None


class Message(Struct, frozen=True, kw_only=True):
    """``at_ms`` is when it happened; it stays however late the message goes out.

    ``silent``: it arrives without a sound.
    """

    kind: str
    at_ms: int
    text: str
    priority: Priority = "info"
    silent: bool = False
