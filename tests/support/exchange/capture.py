"""Recorded frames, with their times moved to the present by a whole number of minutes."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

DATA = Path(__file__).parents[2] / "data" / "market"
MINUTE_MS = 60_000
NEAR_MS = 3 * 24 * 3_600_000
_NUMBER = re.compile(r"(?<![\d.])1\d{12}(?![\d.])")
_DATE = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@dataclass(frozen=True)
class Frame:
    """One frame that the exchange sent, and when it was received; ``path`` is that of the connection."""

    at_ms: int
    text: str
    path: str = ""


@dataclass(frozen=True)
class Capture:
    """What an exchange sent."""

    frames: tuple[Frame, ...]

    @property
    def first_ms(self) -> int:
        """When the first frame came."""
        return self.frames[0].at_ms

    @property
    def last_ms(self) -> int:
        """When the last frame came."""
        return self.frames[-1].at_ms

    def moved(self, to_ms: int) -> Capture:
        """Return the same, its middle within half a minute of ``to_ms``; seconds within a minute stay."""
        middle_ms = (self.first_ms + self.last_ms) // 2
        return self.shifted(round((to_ms - middle_ms) / MINUTE_MS) * MINUTE_MS)

    def shifted(self, by_ms: int) -> Capture:
        """Return the same so much later."""
        return Capture(
            tuple(
                Frame(frame.at_ms + by_ms, shifted(frame.text, by_ms, frame.at_ms), frame.path)
                for frame in self.frames
            )
        )

    def only(self, *words: str) -> Capture:
        """Return the frames that hold one of these words."""
        return Capture(tuple(frame for frame in self.frames if any(word in frame.text for word in words)))

    def __add__(self, other: Capture) -> Capture:
        """Return both, in the order of their times."""
        return Capture(tuple(sorted((*self.frames, *other.frames), key=lambda frame: frame.at_ms)))


def shifted(text: str, by_ms: int, near_ms: int) -> str:
    """Return ``text`` with every time near ``near_ms`` moved: milliseconds, and dates in ISO form."""

    def number(match: re.Match[str]) -> str:
        found = int(match[0])
        return str(found + by_ms) if abs(found - near_ms) < NEAR_MS else match[0]

    def date(match: re.Match[str]) -> str:
        found = datetime.fromisoformat(match[0]) + timedelta(milliseconds=by_ms)
        return found.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    return _DATE.sub(date, _NUMBER.sub(number, text))


def recorded(name: str) -> Capture:
    """Return what ``name`` (of tests/data/market) holds of the exchange's frames."""
    return Capture(tuple(_frames(DATA / f"{name}.ws.jsonl.gz")))


def made(name: str) -> Capture:
    """Return frames that were built after documentation."""
    return Capture(tuple(_frames(DATA / "made" / f"{name}.ws.jsonl")))


def answer(path: str) -> str:
    """Return the recorded answer to the first HTTP request whose address holds ``path``."""
    lines = _text(DATA / "instruments.rest.jsonl.gz").splitlines()
    return next(str(row["frame"]) for row in map(json.loads, lines) if path in row["url"])


def _frames(path: Path) -> Iterator[Frame]:
    for line in _text(path).splitlines():
        row = json.loads(line)
        if row["direction"] == "in":
            yield Frame(round(row["ts"] * 1000), row["frame"], row["url"])


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
