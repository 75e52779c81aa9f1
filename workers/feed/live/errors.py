"""What ends a live feed.

StartAgain
`-- NoData
"""

from __future__ import annotations

from workers.shared.exits import StartAgain


class NoData(StartAgain):
    """Nothing comes from the exchange; a fresh process may do better."""

    def __init__(self, *, market: str, found: str) -> None:
        super().__init__(market, found)
        self.market, self.found = market, found

    def __str__(self) -> str:
        return f"{self.market}: {self.found}; the feed ends so that it is started afresh"
