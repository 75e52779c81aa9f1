"""What the logs of a soak say of the faults: counted, so that one sees that each has bitten."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

TOLD: Final[Mapping[str, str]] = {
    "connection lost": "why",
    "connection renewed": "why",
    "data rejected": "kind",
    "history not answered": "why",
}
"""Messages of a feed, and the fact by which they are counted."""


def tally(log: Path) -> dict[str, dict[str, int]]:
    """Return how often each message of a feed was logged, by its reason."""
    found = {message: Counter[str]() for message in TOLD}
    for line in _lines(log):
        message = str(line.get("message"))
        if message in found:
            found[message][str(line.get(TOLD[message]))] += 1
    return {message: dict(counts.most_common()) for message, counts in found.items()}


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(log.parent.glob(f"{log.stem}.jsonl*")):
        if file.suffix != ".gz":
            yield from map(json.loads, file.read_text().splitlines())
