"""What an exchange answers that has no clock, or no history of fundings, for everybody."""

from __future__ import annotations

from workers.feed.exchanges.events import BadFrame, PastFunding
from workers.feed.exchanges.port import Kind, Market, Request


class Lacking:
    """The parts of an exchange that not every one has; those that have them say so."""

    def clock(self, kind: Kind) -> Request | None:
        """Return None: the times of its messages are all there is."""
        return None

    def parse_clock(self, text: str | bytes) -> int:
        """Raise BadFrame: there is no such answer."""
        raise BadFrame("unknown", text[:40])

    def fundings(self, market: Market, start_ms: int, end_ms: int) -> Request | None:
        """Return None: nothing is told of them."""
        return None

    def parse_fundings(self, market: Market, text: str | bytes) -> tuple[PastFunding, ...]:
        """Raise BadFrame: there is no such answer."""
        raise BadFrame("unknown", text[:40])
