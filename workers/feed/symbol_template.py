"""``supervisor init --symbol S``: the market of the tree file. See ``exchange_template``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from workers.feed.exchanges.symbols import pair

METAVAR: Final = "SYMBOL"
HELP: Final = "The market, like BTC/USDT."

_SYMBOL: Final = re.compile(r'^symbol = "[^"]*"', re.MULTILINE)


def apply(text: str, symbol: str, folder: Path) -> str:
    """Return ``text`` for this market. Raises ValueError with a sentence for what is no symbol."""
    pair(symbol)
    if not _SYMBOL.search(text):
        raise ValueError(f"--symbol {symbol}: this tree has no feed to tell; leave out --from")
    return _SYMBOL.sub(lambda _: f'symbol = "{symbol}"', text)
