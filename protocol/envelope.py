"""The outside of every frame: what a receiver may look at before it knows the message."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

VERSION = 1
"""The version of the frames that this program writes, and the only one that it reads."""

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A number that SQLite can store as well."""


class Envelope(Struct, frozen=True, array_like=True):
    """A frame as it travels: a msgpack array of these six, ``version`` always first.

    ``kind`` is the tag of the message in ``body``. In control conversations ``stream`` is the child's id
    and ``seq`` its incarnation; elsewhere ``stream`` is the producer's id. ``at_ms`` is UTC milliseconds,
    0 when it does not matter. Later versions add fields at the end.
    """

    version: Count
    kind: str
    stream: str
    seq: Count
    at_ms: int
    body: Raw
