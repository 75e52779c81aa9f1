"""``python -m workers.paper._drawing FILE``: draw the series on stdin ([[ms, equity], ...]) into a file.

A process of its own, so that nobody keeps what matplotlib brings. Exit 3: it is not installed.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib import import_module

from workers.paper.equity import NO_LIBRARY


def main() -> int:
    """Draw, and say how it went."""
    try:
        import_module("matplotlib").use("Agg")
    except ImportError:
        return NO_LIBRARY
    plt = import_module("matplotlib.pyplot")
    points = json.load(sys.stdin)
    times = [datetime.fromtimestamp(at_ms / 1000, tz=UTC) for at_ms, _ in points]
    figure, axes = plt.subplots(figsize=(10, 5))
    axes.plot(times, [equity for _, equity in points], linewidth=1)
    axes.set_ylabel("equity")
    axes.grid(visible=True, alpha=0.3)
    figure.autofmt_xdate()
    figure.tight_layout()
    figure.savefig(sys.argv[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
