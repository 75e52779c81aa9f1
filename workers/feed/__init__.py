"""The feed: market data in, candles out. ``start = "workers.feed:main"``."""

from workers.feed.__main__ import main, preflight

__all__ = ["main", "preflight"]
