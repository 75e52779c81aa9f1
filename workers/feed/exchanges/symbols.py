"""A market's name as people write it, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 50
# A name has letters and digits, rarely a dot inside. What follows a dash may be no currency but a date of
# delivery (BTC-26SEP25, BTCUSDT_260327) or the kind of contract: then the whole is the exchange's own code.
_NAME: Final = r"[A-Z0-9]+(?:\.[A-Z0-9]+)*"
_WRITTEN: Final = re.compile(
    rf"(?P<base>{_NAME})[/\-_](?P<quote>(?!PERP(?:\Z|:))(?!\d){_NAME})(?::[A-Z0-9]+)?\Z", re.ASCII
)
_CODE: Final = re.compile(r"(?!.*\.\.)[A-Z0-9](?:[A-Z0-9/:_.\-]*[A-Z0-9])?\Z", re.ASCII)


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
    fits = len(written) <= LONGEST
    if fits and (match := _WRITTEN.match(written)):
        return Pair(symbol, match["base"], match["quote"])
    if not fits or not _CODE.match(written):
        raise ValueError(f'symbol must be like "BTC/USDT", or the exchange\'s own code, found {symbol!r}')
    return Pair(symbol, written, "")
