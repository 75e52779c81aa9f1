"""The notifier: tells people what happens. ``start = "workers.notifier:main"``."""

from workers.notifier.__main__ import main

__all__ = ["main"]
