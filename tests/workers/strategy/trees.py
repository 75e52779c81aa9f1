"""Small trees for strategies in real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

BUNDLED: Final = Path(__file__).parents[3] / "workers/demo/btc-perp_1m_2022-01-09.csv.gz"


def tree(
    strategy: str, *, more: str = "", speed: str = '"max"', on_end: str = "idle", child: str = ""
) -> str:
    """Return a tree of a feed and a strategy; ``more`` are keys of its section, ``child`` of the child."""
    return f"""
[defaults.config]
mode = "paper"

[[child]]
id = "strategy"
start = "workers.strategy:main"
shutdown = "2s"
{child}

[child.config]
strategy = "{strategy}"
{more}

[[child]]
id = "feed"
start = "workers.feed:main"

[child.config]
source = "recorded"
file = "{BUNDLED}"
symbol = "BTC-PERP"
time = "close"
volume = "quote"
speed = {speed}
on_end = "{on_end}"
"""
