"""Makes small recordings for tests."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

from workers.feed.config import FeedConfig
from workers.feed.recording import Recording, load

HEADER = "ts_ms,open,high,low,close,volume"
MINUTE = 60_000
START = 1_600_000_020_000 // MINUTE * MINUTE


def row(index: int, close: object = 100, *, volume: object = 1) -> str:
    """Return the line of a flat candle that opens ``index`` minutes after START."""
    return f"{START + index * MINUTE},{close},{close},{close},{close},{volume}"


def rows(closes: Iterable[object]) -> list[str]:
    """Return consecutive flat candles."""
    return [row(index, close) for index, close in enumerate(closes)]


def write(path: Path, lines: Sequence[str], header: str = HEADER) -> Path:
    """Write a recording; gzipped when the name says so."""
    content = "\n".join([header, *lines]) + "\n"
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path


def recording(folder: Path, lines: Sequence[str], config: FeedConfig | None = None) -> Recording:
    """Return a recording of ``lines``."""
    return load(write(folder / "candles.csv", lines), config or FeedConfig(file="candles.csv"))
