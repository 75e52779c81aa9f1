"""A message to a person, before any channel has it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Priority = Literal["critical", "warning", "info"]


class Message(Struct, frozen=True, kw_only=True):
    """``at_ms`` is when it happened, by the data or the root; it stays however late the message goes out.

    ``log_only``: no other channel gets it.
    """

    kind: str
    at_ms: int
    text: str
    priority: Priority = "info"
    log_only: bool = False
