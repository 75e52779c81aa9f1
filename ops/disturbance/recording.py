"""What must be known of a recording beforehand: how many rows it has and how much time they span."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workers.feed.config import FeedConfig
from workers.feed.errors import BadRecording
from workers.feed.recording import load


@dataclass(frozen=True)
class Extent:
    """``rows`` are the valid ones; ``span_s``: seconds from the start of the first to the end of the last."""

    rows: int
    span_s: float


def measure(path: Path, time: Literal["open", "close"], volume: Literal["base", "quote"]) -> Extent:
    """Return the extent as the feed sees it. Raises ValueError in words when there is nothing to replay."""
    try:
        recording = load(path, FeedConfig(file=str(path), time=time, volume=volume))
    except BadRecording as error:
        raise ValueError(str(error)) from error
    span_ms = recording.close_ms(recording.count) - recording.close_ms(0)
    return Extent(recording.count, max(span_ms, 1) / 1000)
