"""Reads raw tables by a schema and collects every problem on the way instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from supervisor.config.errors import Problem, shown
from supervisor.config.fields import Unfit
from supervisor.config.schema import INSTEAD_OF_TABLE, Keys
from supervisor.config.suggest import did_you_mean

Path = tuple[str | int, ...]
"""Where a value stands in the parsed file: ``("child", 0, "backoff", "factor")``."""


class Reading:
    """One pass over one tree file. ``origins`` tells which values a variable or an option has set."""

    def __init__(self, file: str, origins: Mapping[Path, str]) -> None:
        self.file, self.origins = file, origins
        self.problems: list[Problem] = []
        self._names: dict[Path, str] = {}

    def name(self, path: Path, name: str) -> None:
        """Have problems below ``path`` speak of ``name``: ``child feed`` instead of ``child #1``."""
        self._names[path] = name

    def report(self, path: Path, says: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(origin=self._origin(path), key=self._key(path), says=says))

    def wrong(self, path: Path, found: object, allowed: str, known: Iterable[str] = ()) -> None:
        """Note a value that may not stand where it stands."""
        hint = did_you_mean(found, known) if isinstance(found, str) else ""
        self.report(path, f"found {shown(found)}, allowed is {allowed}{hint}")

    def unknown(self, path: Path, key: str, known: Iterable[str]) -> None:
        """Note a key that means nothing."""
        names = tuple(known)
        hint = did_you_mean(key, names) or f" (known are {', '.join(names)})"
        self.report((*path, key), f"unknown key {shown(key)}{hint}")

    def given(self, path: Path, values: Mapping[str, Any], *keys: str) -> bool:
        """Whether one of these keys stands there, be it with a value that is a problem already."""
        told = {problem.key for problem in self.problems}
        return any(key in values or self._key((*path, key)) in told for key in keys)

    def table(self, raw: object, keys: Keys, path: Path) -> dict[str, Any]:
        """Return the values that are as the schema wants them; the others become problems."""
        if not isinstance(raw, dict):
            self.wrong(path, raw, "a table")
            return {}
        values: dict[str, Any] = {}
        for key, value in raw.items():
            if key not in keys:
                self.unknown(path, key, keys)
            else:
                self._value(values, key, value, keys, path)
        return values

    def tables(self, raw: object, path: Path) -> list[dict[str, Any]]:
        """Return the members of an array of tables, ``[[child]]``."""
        if not isinstance(raw, list):
            self.wrong(path, raw, f"an array of tables: [[{path[-1]}]]")
            return []
        for index, member in enumerate(raw):
            if not isinstance(member, dict):
                self.wrong((*path, index), member, "a table")
        return [member for member in raw if isinstance(member, dict)]

    def _value(self, values: dict[str, Any], key: str, value: object, keys: Keys, path: Path) -> None:
        rule = keys[key]
        if isinstance(rule, Mapping) and (isinstance(value, dict) or key not in INSTEAD_OF_TABLE):
            values[key] = self.table(value, rule, (*path, key))
            return
        read = INSTEAD_OF_TABLE[key] if isinstance(rule, Mapping) else rule
        try:
            values[key] = read(value)
        except Unfit as error:
            self.wrong((*path, key), value, error.allowed, error.known)

    def _origin(self, path: Path) -> str:
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return self.file

    def _key(self, path: Path) -> str:
        for length in range(len(path), 0, -1):
            if path[:length] in self._names:
                rest = ".".join(map(str, path[length:]))
                return f"{self._names[path[:length]]}: {rest}" if rest else self._names[path[:length]]
        return ".".join(f"#{part + 1}" if isinstance(part, int) else part for part in path)
