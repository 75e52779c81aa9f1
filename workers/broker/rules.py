"""What the configuration says of trading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from workers.broker.breakers import OFF, Limits
from workers.broker.matching import Terms
from workers.broker.office import OpenVenue
from workers.broker.paper_venue import paper
from workers.broker.store import KEEP_HISTORY


@dataclass(frozen=True, kw_only=True)
class Rules:
    """``dry_run``: orders are recorded and none is submitted. ``venue`` opens the place of execution.
    ``keep_history``: how many rows of each table stay on record.
    """

    terms: Terms = field(default_factory=Terms)
    limits: Limits = OFF
    dry_run: bool = False
    on_shutdown: Literal["keep", "cancel", "close"] = "keep"
    venue: OpenVenue = field(default_factory=paper)
    keep_history: int = KEEP_HISTORY
