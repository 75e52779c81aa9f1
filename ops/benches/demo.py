"""The tree of the demo, with nothing in it that would delay or count restarts."""

from __future__ import annotations

import re

from workers.demo import tree_file

ROLES = ("feed", "strategy", "broker", "notifier")
NO_LIMITS = """\
max_consecutive_failures = "infinity"
backoff = { max = "0s" }
intensity = { max_restarts = 1000000, period = "1s" }
"""


def text() -> str:
    """The tree file."""
    bare = re.sub(r"(?m)^(backoff|intensity) = .*\n", "", tree_file().read_text())
    return re.sub(r"(?m)^(restart = .*\n)", rf"\1{NO_LIMITS}", bare)


def options(**feed: str) -> tuple[str, ...]:
    """What ``supervisor start`` needs besides: where the recording lies, and other keys of the feed."""
    (recording,) = tree_file().parent.glob("*.csv.gz")
    keys = {"file": str(recording), **feed}
    return tuple(word for key, value in keys.items() for word in ("--set", f"feed.{key}={value}"))
