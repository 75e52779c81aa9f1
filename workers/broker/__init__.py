"""The broker: takes orders, fills them on paper by the prices of the market, keeps the books.

``core.py`` decides, ``store.py`` says what is kept, ``app.py`` wires. ``start = "workers.broker:main"``.
"""

from workers.broker.__main__ import main, part_in_run, preflight

__all__ = ["main", "part_in_run", "preflight"]
