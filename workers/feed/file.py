"""Reads a recording from disk: the only file of the feed that touches it."""

from __future__ import annotations

import codecs
import zlib
from pathlib import Path

from workers.feed.errors import BadRecording
from workers.feed.row import CANDLE_HEADER, TRADE_HEADER

HEADER = f"{','.join(CANDLE_HEADER)} (candles) or {','.join(TRADE_HEADER)}[,trade_id,...] (a trade tape)"
GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""Tells zlib that gzip's header and trailer are around its data."""


def read_lines(path: Path) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of the columns and the lines after them. Raises BadRecording with a sentence."""
    lines = _text(path, _bytes(path)).splitlines()
    if not lines:
        raise BadRecording(path=path, found="the file is empty", wanted=f"the first line must be {HEADER}")
    return _columns(path, lines[0].strip()), lines[1:]


def read_frames(path: Path) -> tuple[list[bytes], bool]:
    """Return the lines of a recording of frames, and whether the file ends before its compressed data do.

    Its recorder may have been killed: what was written until then is good. Raises BadRecording.
    """
    content, cut = _content(path), False
    if path.suffix == ".gz":
        content, cut = _inflated_so_far(path, content)
    return content.removeprefix(codecs.BOM_UTF8).splitlines(), cut


def _bytes(path: Path) -> bytes:
    content = _content(path)
    if path.suffix != ".gz":
        return content
    content, cut = _inflated_so_far(path, content)
    if cut:
        raise _damaged(path, "they end before their end")
    return content


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadRecording(
            path=path, found="no such file", wanted="write the path of a file of candles or trades"
        ) from error
    except OSError as error:
        raise BadRecording(
            path=path, found=f"it cannot be read: {error.strerror}", wanted="a readable file is needed"
        ) from error


def _inflated_so_far(path: Path, content: bytes) -> tuple[bytes, bool]:
    """Inflate all members that are there; whether the last of them lacks its end."""
    if not content.startswith(GZIP_MAGIC):
        raise BadRecording(
            path=path, found="the file is not gzip", wanted="compress it, or take .gz off its name"
        )
    found, rest = bytearray(), content
    while rest:
        member = zlib.decompressobj(wbits=GZIP_WINDOW)
        try:
            found += member.decompress(rest)
        except zlib.error as error:
            raise _damaged(path, str(error)) from error
        if not member.eof:
            return bytes(found), True
        rest = member.unused_data.lstrip(b"\0")
    return bytes(found), False


def _damaged(path: Path, why: str) -> BadRecording:
    return BadRecording(path=path, found=f"the gzip data are damaged: {why}", wanted="fetch the file again")


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
