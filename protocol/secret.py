"""Secrets: from the environment or from files, never from the command line, never printed."""

from __future__ import annotations

import os
from pathlib import Path

from protocol.errors import SecretUnreadable


def secret(name: str) -> str | None:
    """The secret ``name`` from the environment, the file that ``name``_FILE names, or systemd's credentials.

    Stripped; None when there is none, or an empty one. Raises SecretUnreadable for a file that is named
    but cannot be read.
    """
    if value := os.environ.get(name, "").strip():
        return value
    if file := os.environ.get(f"{name}_FILE"):
        return _read_secret(name, Path(file))
    if directory := os.environ.get("CREDENTIALS_DIRECTORY"):
        for candidate in (Path(directory, name), Path(directory, name.lower())):
            if candidate.exists():
                return _read_secret(name, candidate)
    return None


def _read_secret(name: str, path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise SecretUnreadable(name, path, type(error).__name__) from error
