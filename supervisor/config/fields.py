"""Readers of single values of a tree file: each returns the checked value or raises :class:`Unfit`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time
from typing import Any, Final

from supervisor.config.durations import parse_duration, parse_size

Read = Callable[[object], Any]

_INT64: Final = range(-(2**63), 2**64)
_SENDABLE: Final = (str, int, float, dict, list, date, time, type(None))
_DEEPEST: Final = 50
_LARGEST: Final = 2**31 - 1
ID_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
RESERVED_IDS: Final = frozenset({"root", "system", "supervisor", "defaults"})
"""``root`` is the root's own id, ``system`` its log of everything, the others are sections."""


class Unfit(ValueError):
    """A value that may not stand here. ``allowed`` says what may, ``known`` lists the words near it."""

    def __init__(self, allowed: str, known: tuple[str, ...] = ()) -> None:
        super().__init__(allowed)
        self.allowed, self.known = allowed, known


def duration(value: object) -> float:
    """Seconds, zero or more."""
    try:
        return parse_duration(value)
    except ValueError as error:
        raise Unfit(str(error)) from None


def period(value: object) -> float:
    """Seconds, more than zero."""
    seconds = duration(value)
    if seconds == 0:
        raise Unfit("a duration above zero")
    return seconds


def size(value: object) -> int:
    """Bytes, at least one."""
    try:
        return parse_size(value)
    except ValueError as error:
        raise Unfit(str(error)) from None


def whole(low: int, high: int = _LARGEST) -> Read:
    """Make a reader of whole numbers within the bounds."""

    bounds = f", {low} or more" if high == _LARGEST else f" from {low} to {high}"

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Unfit(f"a whole number{bounds}")
        return value

    return read


def number(low: float, high: float) -> Read:
    """Make a reader of numbers within the bounds."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise Unfit(f"a number from {low:g} to {high:g}")
        return float(value)

    return read


def flag(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise Unfit("true or false")
    return value


def one_of(*words: str) -> Read:
    """Make a reader of fixed words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise Unfit(" | ".join(f'"{word}"' for word in words), words)
        return value

    return read


def either(words: dict[str, Any], read: Read) -> Read:
    """Make a reader that gives a few words a meaning and leaves the rest to ``read``."""

    def read_either(value: object) -> Any:
        if isinstance(value, str) and value in words:
            return words[value]
        try:
            return read(value)
        except Unfit as error:
            extra = " | ".join(f'"{word}"' for word in words)
            raise Unfit(f"{error.allowed}, or {extra}", tuple(words)) from None

    return read_either


def text(value: object) -> str:
    """Read a string that is neither empty nor holds NUL (no path, name or argument may)."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise Unfit("a string that is not empty")
    return value


def identifier(value: object) -> str:
    """Read an id: it names files, sockets and variables, hence the few characters."""
    fits = isinstance(value, str) and 0 < len(value) <= 64 and ID_CHARACTERS.issuperset(value)
    if not fits or not isinstance(value, str) or value.startswith((".", "-")):
        raise Unfit("1 to 64 letters, digits, _ . or -, not beginning with . or -")
    if value in RESERVED_IDS:
        raise Unfit(f"any id but {', '.join(sorted(RESERVED_IDS))} (these have a meaning of their own)")
    return value


def target(value: object) -> str:
    """Read what a Python worker starts: ``module:callable``."""
    module, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    parts = [*module.split("."), *name.split(".")]
    if not isinstance(value, str) or not all(part.isidentifier() for part in parts):
        raise Unfit('"package.module:callable"')
    return value


def module(value: object) -> str:
    """Read the dotted name of a module."""
    if not isinstance(value, str) or not all(part.isidentifier() for part in value.split(".")):
        raise Unfit('the dotted name of a module, "package.module"')
    return value


def words(value: object) -> tuple[str, ...]:
    """Read a program and its arguments: strings, the first one not empty."""
    fits = isinstance(value, list) and all(isinstance(part, str) and "\0" not in part for part in value)
    if not fits or not isinstance(value, list) or not value or not value[0].strip():
        raise Unfit('a list of strings, the program first: ["node", "x.js"]')
    return tuple(value)


def list_of(read: Read, *, empty: bool = True) -> Read:
    """Make a reader of lists whose members ``read`` accepts."""

    def read_list(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or (not value and not empty):
            raise Unfit("a list")
        return tuple(read(member) for member in value)

    return read_list


def optional_words(value: object) -> tuple[str, ...]:
    """Read a program and its arguments, or an empty list for none."""
    return () if value == [] else words(value)


def environment(value: object) -> dict[str, str]:
    """Read environment variables: names and strings."""
    if not isinstance(value, dict):
        raise Unfit('a table of strings: { NAME = "value" }')
    for name, content in value.items():
        named = isinstance(name, str) and name and not {"=", "\0"} & set(name)
        if not named or not isinstance(content, str) or "\0" in content:
            raise Unfit('a table of strings: { NAME = "value" }')
    return dict(value)


def free_table(value: object) -> dict[str, Any]:
    """Read a worker's own section: its keys are the worker's business, its values must be sendable."""
    if not isinstance(value, dict):
        raise Unfit("a table")
    _check_sendable(value, 0)
    return value


def _check_sendable(value: object, depth: int) -> None:
    if depth > _DEEPEST:
        raise Unfit(f"values nested at most {_DEEPEST} deep")
    if isinstance(value, int) and value not in _INT64:
        raise Unfit("whole numbers of at most 64 bits")
    if not isinstance(value, _SENDABLE):
        raise Unfit("what a tree file can hold: strings, numbers, true, false, times, lists and tables")
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        raise Unfit("tables whose keys are strings")
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in members:
        _check_sendable(member, depth + 1)
