"""One figure of a benchmark, and how it is shown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """``floor`` is what the machine needs at least, in the same unit; None where nothing is comparable."""

    name: str
    value: float
    unit: str
    floor: float | None
    samples: int

    @property
    def ratio(self) -> float | None:
        """How many times the floor it is."""
        return self.value / self.floor if self.floor else None

    def json(self) -> str:
        """The line of ``--json``."""
        rounded = {key: _rounded(value) for key, value in asdict(self).items()}
        samples = rounded.pop("samples")
        return json.dumps({**rounded, "ratio": _rounded(self.ratio), "samples": samples})

    def text(self) -> str:
        """The line for people."""
        beside = f"floor {self.floor:9.3f}   {self.ratio:6.2f} times" if self.floor and self.ratio else ""
        return f"{self.name:28} {self.value:10.3f} {self.unit:12} {beside:32} {self.samples} samples".rstrip()


def percentile(samples: Sequence[float], percent: int) -> float:
    """The value that so many percent of the samples do not exceed."""
    if percent == 50:
        return statistics.median(samples)
    return sorted(samples)[min(len(samples) - 1, len(samples) * percent // 100)]


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
