"""What becomes of one attempt to send."""

from __future__ import annotations

from msgspec import Struct


class Sent(Struct, frozen=True):
    """The other side has the message."""


class Refused(Struct, frozen=True):
    """The message is not sent, or nobody can say; ``why`` is safe to show.

    ``wait_s``: what the server asks for, if it does. ``certain``: it was not taken; otherwise it may have
    arrived though no good answer came. ``hopeless``: this very message will never be taken.
    """

    why: str
    wait_s: float | None = None
    certain: bool = False
    hopeless: bool = False


Outcome = Sent | Refused
