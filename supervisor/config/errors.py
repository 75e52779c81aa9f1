"""What is wrong with a configuration: all of it at once, each with its place and what is allowed there.

ConfigError (a person must change the file, a variable or an option; exit status 2)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

_SHOWN = 80


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    ``origin`` is the file, the variable or the option that said it; ``key`` the place within the tree
    (``child feed: backoff.factor``), empty where there is none; ``line`` is known for TOML syntax only.
    """

    origin: str
    says: str
    key: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.origin}:{self.line}" if self.line else self.origin
        return f"{place}: {self.key}: {self.says}" if self.key else f"{place}: {self.says}"


class ConfigError(Exception):
    """The configuration cannot be used; nothing was started."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def is_utf8(text: str) -> bool:
    """Whether it can be written into messages and records: arguments and names of files may be any bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(value: object) -> str:
    """Write a found value as the file would, cut to a readable length."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
