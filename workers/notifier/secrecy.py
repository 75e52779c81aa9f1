"""Keeps tokens and addresses that hold secrets out of whatever is said."""

from __future__ import annotations

import logging
import re
from typing import Final
from urllib.parse import quote, urlsplit

MASK: Final = "***"
LIBRARIES: Final = ("httpx", "httpcore", "hpack", "h11", "apprise", "urllib3", "requests")
"""Their own logs name the addresses that they call."""
_BOT: Final = re.compile(r"bot\d+(?::|%3A)[\w-]+", re.IGNORECASE)
_SHORTEST: Final = 4


def quieten() -> None:
    """Silence the logs of the libraries that send. Harmless when repeated."""
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.setLevel(logging.CRITICAL + 1)
        library.propagate = False


def cleaned(text: str, *secrets: str) -> str:
    """Return ``text`` without these secrets, as they are or as they stand in an address."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK).replace(quote(secret, safe=""), MASK)
    return _BOT.sub(f"bot{MASK}", text)


def told(error: Exception, *secrets: str) -> str:
    """Return class and text of what a library raised, without these secrets; of a group its first member."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return cleaned(f"{type(error).__name__} {error}".strip(), *secrets)


def parts_of(url: str) -> tuple[str, ...]:
    """Return what must not be shown of an address: all of it, and each part after the scheme."""
    parts = urlsplit(url)
    pieces = [*parts.netloc.replace("@", ":").split(":"), *parts.path.split("/"), *parts.query.split("&")]
    return (url, parts.netloc, *(piece for piece in pieces if len(piece) >= _SHORTEST))
