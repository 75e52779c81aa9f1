"""``--set`` of the commands that configure a worker without a tree."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Sets:
    """Keys, dotted, and their values."""

    values: tuple[tuple[str, Any], ...]

    def of(self, prefix: str) -> dict[str, Any]:
        """Return what stands below ``prefix``, nested as the dots say."""
        found: dict[str, Any] = {}
        for key, value in self.values:
            if key.startswith(f"{prefix}."):
                _put(found, key.removeprefix(f"{prefix}.").split("."), value)
        return found


def sets_option(function: F) -> F:
    """Add ``--set``, which may be repeated; the argument is ``sets``."""
    return click.option(
        "--set", "sets", multiple=True, metavar="KEY=VALUE", callback=_read, help="One key for this run."
    )(function)


def pair(text: str) -> tuple[str, Any]:
    """Read ``key=value``; the value as TOML, else as a string. Raises click.BadParameter."""
    key, equals, raw = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r}: write key=value", param_hint="--set")
    try:
        return key, tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return key, raw


def _read(_ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]) -> Sets:
    return Sets(tuple(map(pair, texts)))


def _put(into: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        deeper = into.setdefault(part, {})
        into = deeper if isinstance(deeper, dict) else {}
    into[path[-1]] = value
