"""Latency of a live market (R1): the way to the venue takes its time, and the same time when it is played
again.
"""

from __future__ import annotations

import hashlib
from typing import Final

LEAST_MS: Final = 150
SPREAD_MS: Final = 200


def latency_ms(client_order_id: str) -> int:
    """Return how long a submit or a cancel of this id takes: 150 ms + hash(client_order_id) mod 200 ms."""
    digest = hashlib.sha256(client_order_id.encode()).digest()
    return LEAST_MS + int.from_bytes(digest[:8], "big") % SPREAD_MS
