"""A market's name as people write it, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_WRITTEN: Final = re.compile(
    r"(?P<base>[A-Z0-9]{1,20})[/\-_](?P<quote>[A-Z0-9]{1,20})(?::[A-Z0-9]+)?\Z", re.ASCII
)
_CODE: Final = re.compile(r"[A-Z0-9][A-Z0-9/:_\-]{0,39}\Z", re.ASCII)


@dataclass(frozen=True)
class Pair:
    """``BTC/USDT`` (also ``BTC-USDT``, ``BTC/USDT:USDT``); or an exchange's own ``code``, as it is.

    ``symbol`` is what the user wrote, and what goes out.
    """

    symbol: str
    base: str
    quote: str

    @property
    def code(self) -> str | None:
        """The exchange's own name where that is what the user wrote; None where base and quote are known."""
        return None if self.quote else self.base

    def joined(self, between: str = "") -> str:
        """Return base and quote as one word, or the code."""
        return self.code or f"{self.base}{between}{self.quote}"


def pair(symbol: str) -> Pair:
    """Take ``symbol`` apart. Raises ValueError with what is allowed."""
    written = symbol.strip().upper()
    if match := _WRITTEN.match(written):
        return Pair(symbol, match["base"], match["quote"])
    if not _CODE.match(written):
        raise ValueError(f'symbol must be like "BTC/USDT", or the exchange\'s own code, found {symbol!r}')
    return Pair(symbol, written, "")
