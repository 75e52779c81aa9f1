"""The notifier: tells people what happens. ``start = "workers.notifier:main"``."""

from workers.notifier.__main__ import main, preflight

__all__ = ["main", "preflight"]
