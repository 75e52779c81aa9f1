"""The tree file that ``supervisor init --exchange NAME --symbol S`` writes.

Reached through the entry point group ``supervisor_tree.templates``: the supervisor knows its options from
``OPTIONS`` and its text from :func:`text`, and nothing of exchanges.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from workers.feed.config import FeedConfig, check
from workers.shared.config import decode

CHOOSES: Final = "exchange"
"""The option whose presence chooses this template."""
OPTIONS: Final[Mapping[str, str]] = {
    "exchange": "A tree for a live market of this exchange: binance, bitfinex, bitunix, bybit, kraken, okx.",
    "symbol": "The market, like BTC/USDT.",
    "market": "spot or perpetual.",
    "timeframe": "Of the candles: 1m, 5m, 15m, 1h, 4h or 1D.",
}


def text(options: Mapping[str, str]) -> str:
    """Return the tree for these options. Raises PersonMustLook for what the feed would refuse."""
    wanted = {"source": "exchange", "symbol": "BTC/USDT", **options}
    check(decode(wanted, FeedConfig, "feed"), "feed")
    lines = [f'{key} = "{value}"' for key, value in wanted.items()]
    template = Path(__file__).with_name("exchange.toml").read_text(encoding="utf-8")
    return template.replace("# FEED\n", "\n".join(lines) + "\n")
