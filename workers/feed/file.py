"""Reads a recording from disk: the only file of the feed that touches it."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from workers.feed.errors import BadRecording
from workers.feed.row import CANDLE_HEADER, TRADE_HEADER

HEADER = f"{','.join(CANDLE_HEADER)} (candles) or {','.join(TRADE_HEADER)}[,trade_id,...] (a trade tape)"
GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: Path) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of the columns and the lines after them. Raises BadRecording with a sentence."""
    lines = read_text(path).splitlines()
    if not lines:
        raise BadRecording(path=path, found="the file is empty", wanted=f"the first line must be {HEADER}")
    return _columns(path, lines[0].strip()), lines[1:]


def read_text(path: Path) -> str:
    """Return the text of a file, inflated. Raises BadRecording with a sentence."""
    return _text(path, _bytes(path))


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise BadRecording(
            path=path, found="no such file", wanted="write the path of a file of candles or trades"
        ) from error
    except OSError as error:
        raise BadRecording(
            path=path, found=f"it cannot be read: {error.strerror}", wanted="a readable file is needed"
        ) from error
    return _inflated(path, content) if path.suffix == ".gz" else content


def _inflated(path: Path, content: bytes) -> bytes:
    if not content.startswith(GZIP_MAGIC):
        raise BadRecording(
            path=path, found="the file is not gzip", wanted="compress it, or take .gz off its name"
        )
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise BadRecording(
            path=path, found=f"the gzip data are damaged: {error}", wanted="fetch the file again"
        ) from error


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecording(
            path=path,
            found=f"byte {error.start} is not UTF-8",
            wanted="a text file of rows is needed",
        ) from error


def _columns(path: Path, header: str) -> tuple[str, ...]:
    columns = tuple(name.strip().lower() for name in header.split(","))
    if columns != CANDLE_HEADER and columns[: len(TRADE_HEADER)] != TRADE_HEADER:
        raise BadRecording(
            path=path, found=f"the first line is {header[:80]!r}", wanted=f"the header must be {HEADER}"
        )
    return columns
