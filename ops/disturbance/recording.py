"""What must be known of a recording beforehand: how many lines it has and how much time they span."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Extent:
    """``span_s``: from the first line's time to the last one's, in seconds."""

    lines: int
    span_s: float


def measure(path: Path) -> Extent:
    """Return the extent of a file of candles or trades. Raises ValueError in words when it is none."""
    content = path.read_bytes()
    try:
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
        lines = [line for line in text.splitlines()[1:] if line.strip()]
        times = [int(line.partition(",")[0]) for line in (lines[0], lines[-1])]
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise ValueError(f"{path} is no file of candles or trades: {error}") from error
    return Extent(len(lines), max(times[1] - times[0], 1) / 1000)
