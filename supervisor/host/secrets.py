"""Keeps the values of secrets out of everything that is written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

_NAMES: Final = frozenset({"TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID"})
_ENDINGS: Final = ("TOKEN", "SECRET", "_KEY", "APIKEY", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS")
_IN_URL: Final = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
"""The password of ``scheme://user:password@host``, whatever the name of the variable."""
_SHORTEST: Final = 4
"""Shorter values are no secrets, and blotting them out would make logs unreadable."""
_LARGEST_FILE: Final = 64 * 1024
MASK: Final = "***"


def secret_values(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Collect the secrets that the environment, its ``*_FILE`` files and systemd credentials hold."""
    environ = os.environ if environ is None else environ
    found: set[str] = set()
    for value in _all_values(environ):
        # A key of several lines is logged line by line.
        found.update(part.strip() for part in (value, *value.splitlines()))
    return tuple(sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True))


def _all_values(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        yield from _IN_URL.findall(value)
        if _is_secret(name):
            yield value
        elif name.endswith("_FILE") and _is_secret(name.removesuffix("_FILE")):
            yield _content(Path(value))
    directory = environ.get("CREDENTIALS_DIRECTORY")
    for path in _files(directory) if directory else ():
        yield _content(path)


def _is_secret(name: str) -> bool:
    return name.upper().endswith((*_NAMES, *_ENDINGS))


def _files(directory: str) -> list[Path]:
    try:
        return [path for path in Path(directory).iterdir() if path.is_file()]
    except OSError:
        return []


def _content(path: Path) -> str:
    # A file that cannot be read has nothing that could leak; whoever needs it complains.
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


class Scrubber:
    """Replaces secrets within records. Costs one search a line where there are any secrets, else nothing."""

    def __init__(self, secrets: Iterable[str]) -> None:
        longest_first = sorted(set(secrets), key=len, reverse=True)
        self._plain = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        encoded = [re.escape(msgspec.json.encode(secret)[1:-1]) for secret in longest_first]
        self._encoded = re.compile(b"|".join(encoded)) if encoded else None

    def found_in(self, line: bytes) -> bool:
        """Whether an encoded record holds a secret."""
        return self._encoded is not None and self._encoded.search(line) is not None

    def clean(self, value: Any) -> Any:
        """Return the value with every secret masked: in strings, keys and numbers."""
        if self._plain is None:
            return value
        if isinstance(value, dict):
            return {self.clean(key): self.clean(content) for key, content in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(content) for content in value]
        if isinstance(value, str):
            return self._plain.sub(MASK, value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MASK if self._plain.search(str(value)) else value
        return value
