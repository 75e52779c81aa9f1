"""Single keys from outside the file: ``SUPERVISOR__FEED__SYMBOL=...`` and ``--set feed.symbol=...``.

A key that a child itself has (``restart``, ``backoff.max``) is set there, every other one in the child's
``config``; ``feed.config.heartbeat`` says it outright where both have a key of that name. The sections
``supervisor`` and ``defaults`` and the ids of groups are named the same way.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from supervisor.config.errors import Problem, is_utf8, shown
from supervisor.config.reading import Path
from supervisor.config.schema import CHILD, DEFAULTS, GROUP, INSTEAD_OF_TABLE, SUPERVISOR, Keys
from supervisor.config.suggest import did_you_mean

PREFIX: Final = "SUPERVISOR__"


@dataclass(frozen=True)
class Target:
    """A table that overrides can name: where it stands and which keys it has itself."""

    name: str
    table: dict[str, Any]
    path: Path
    keys: Keys

    @property
    def variable(self) -> str:
        """The name as it stands in environment variables."""
        return variable_part(self.name)


class Overrides:
    """Writes overrides into the raw tree, in place. ``origins`` remembers who set what."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.targets = list(_targets(data))
        self.origins: dict[Path, str] = {}
        self.problems: list[Problem] = []

    def from_environment(self, environ: Mapping[str, str]) -> None:
        """Apply every variable that begins with ``SUPERVISOR__``."""
        for name in sorted(environ):
            if name.startswith(PREFIX):
                self._variable(name, environ[name])

    def from_options(self, options: Iterable[str]) -> None:
        """Apply ``child.key=value`` from the command line, in order."""
        for option in options:
            self._option(option)

    def _variable(self, name: str, value: str) -> None:
        origin, rest = f"environment variable {name}", name.removeprefix(PREFIX)
        fitting = [target for target in self.targets if rest.startswith(f"{target.variable}__")]
        longest = max((len(target.variable) for target in fitting), default=0)
        fitting = [target for target in fitting if len(target.variable) == longest]
        different = {target.name for target in fitting}
        keys = rest[longest + 2 :].split("__")
        if len(different) > 1:
            self._problem(origin, f"fits {' and '.join(sorted(different))}; use --set instead")
        elif "__" not in rest or not all(keys):
            self._problem(origin, f"allowed is {PREFIX}CHILD__KEY=value")
        elif not fitting:
            self._unknown(origin, rest.split("__")[0], {target.variable for target in self.targets})
        else:
            self._write(fitting[0], _spelled_as_known(fitting[0], keys), value, origin)

    def _option(self, option: str) -> None:
        origin, (place, equals, value) = f"--set {option}", option.partition("=")
        fitting = [target for target in self.targets if place.startswith(f"{target.name}.")]
        if not equals or "." not in place:
            self._problem(origin, "allowed is --set child.key=value")
        elif not fitting:
            self._unknown(origin, place.split(".")[0], {target.name for target in self.targets})
        else:
            target = max(fitting, key=lambda candidate: len(candidate.name))
            keys = place.removeprefix(f"{target.name}.").split(".")
            if all(keys):
                self._write(target, keys, value, origin)
            else:
                self._problem(origin, "allowed is --set child.key=value")

    def _write(self, target: Target, keys: list[str], raw: str, origin: str) -> None:
        if not is_utf8(raw):
            self._problem(origin, "its value is not UTF-8")
            return
        value = parse_value(raw)
        if not _belongs(target, keys, value):
            if "command" in target.table:
                self._problem(origin, _unknown_key(keys[0]))
                return
            keys = ["config", *keys]
        elif _lacks_key(target, keys, value):
            self._problem(origin, _table_wanted(target, keys[0], value))
            return
        table, path = target.table, target.path
        for key in keys[:-1]:
            inner = table.get(key)
            table[key] = table = inner if isinstance(inner, dict) else {}
            path = (*path, key)
        table[keys[-1]] = value
        self.origins[(*path, keys[-1])] = origin

    def _unknown(self, origin: str, name: str, known: Iterable[str]) -> None:
        self._problem(origin, f'the tree has no child "{name}"{did_you_mean(name, sorted(known))}')

    def _problem(self, origin: str, says: str) -> None:
        self.problems.append(Problem(origin=origin, says=says))


def variable_part(name: str) -> str:
    """Return a name as it is written within an environment variable."""
    return name.upper().replace("-", "_").replace(".", "_")


def parse_value(raw: str) -> Any:
    """Read a value as TOML would; what is not TOML is the string itself."""
    try:
        parsed = tomllib.loads(f"value = {raw}")
    except (ValueError, RecursionError):
        return raw
    return parsed["value"] if len(parsed) == 1 else raw


def _targets(data: dict[str, Any]) -> Iterator[Target]:
    for name, keys in (("supervisor", SUPERVISOR), ("defaults", DEFAULTS)):
        table = data.setdefault(name, {})
        if isinstance(table, dict):
            yield Target(name, table, (name,), keys)
    for section, keys in (("child", CHILD), ("group", GROUP)):
        members = data.get(section)
        for index, table in enumerate(members if isinstance(members, list) else ()):
            if isinstance(table, dict) and isinstance(table.get("id"), str):
                yield Target(table["id"], table, (section, index), keys)


def _belongs(target: Target, keys: list[str], value: object) -> bool:
    """Whether the key is the table's own, not one of its ``config``."""
    if target.keys is not CHILD or keys[0] not in CHILD:
        return target.keys is not CHILD
    # A worker may have a plain key where the child has a table or a word: notifier.heartbeat = "2h".
    plain = len(keys) == 1 and not isinstance(value, dict)
    foreign = plain and keys[0] in INSTEAD_OF_TABLE and "command" not in target.table
    return not foreign or value == "none"


def _lacks_key(target: Target, keys: list[str], value: object) -> bool:
    """Whether a plain value was given where the child has nothing but a table."""
    table = target.keys is CHILD and isinstance(CHILD[keys[0]], Mapping) and keys[0] not in INSTEAD_OF_TABLE
    return table and len(keys) == 1 and not isinstance(value, dict)


def _table_wanted(target: Target, key: str, value: object) -> str:
    inner = CHILD[key]
    known = ", ".join(inner) if isinstance(inner, Mapping) else ""
    says = f"found {shown(value)}, allowed is {target.name}.{key}.KEY=value with one of the keys {known}"
    if "command" in target.table:
        return says
    return f"{says}; a key of the worker itself is {target.name}.config.{key}={shown(value)}"


def _unknown_key(key: str) -> str:
    hint = did_you_mean(key, CHILD) or f" (known are {', '.join(CHILD)})"
    return f"unknown key {shown(key)}{hint}; a command reads no other configuration"


def _spelled_as_known(target: Target, parts: list[str]) -> list[str]:
    """Turn ``BACKOFF MAX`` into the keys meant: as the file or the schema spells them, else lower case."""
    keys: list[str] = []
    tables: list[object] = [target.keys, target.table, target.table.get("config")]
    for part in parts:
        known = (key for table in tables if isinstance(table, Mapping) for key in table)
        keys.append(next((key for key in known if variable_part(key) == part), part.lower()))
        tables = [table.get(keys[-1]) for table in tables if isinstance(table, Mapping)]
    return keys
