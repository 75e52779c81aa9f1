"""Whether what runs is still what was chosen: asked before each evaluation."""

from __future__ import annotations

from typing import Final, Protocol


class Guard(Protocol):
    """Raises PersonMustLook when the answer is no: nothing may be traded then."""

    def fits(self, symbol: str, timeframe: str) -> None:
        """Learn which market leads."""
        ...

    def verify(self) -> None:
        """Look again; cheap, for it is asked with every candle."""
        ...


class Unguarded:
    """Nothing was chosen, so nothing can differ."""

    def fits(self, symbol: str, timeframe: str) -> None:
        """Any market will do."""

    def verify(self) -> None:
        """Nothing to look at."""


UNGUARDED: Final[Guard] = Unguarded()
