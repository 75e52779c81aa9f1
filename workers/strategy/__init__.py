"""The strategy worker: candles in, signals and orders out. ``start = "workers.strategy:main"``."""

from workers.strategy.__main__ import main, part_in_run, preflight

__all__ = ["main", "part_in_run", "preflight"]
