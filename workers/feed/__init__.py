"""The feed: market data in, candles out. ``start = "workers.feed:main"``."""

from workers.feed.__main__ import main, part_in_run, preflight

__all__ = ["main", "part_in_run", "preflight"]
