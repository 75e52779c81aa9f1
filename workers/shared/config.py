"""A child's configuration: a dict in, a checked struct or one clear sentence out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec

from workers.shared.exits import PersonMustLook

Mode = Literal["dry-run", "paper", "live"]
StructT = TypeVar("StructT", bound=msgspec.Struct)

UNKNOWN_KEY = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`(?: - at `\$(?P<path>[^`]*)`)?$")
LOCATED = re.compile(r"(?P<what>.*) - at `\$(?P<path>[^`]*)`$", re.DOTALL)
SECRETIVE = re.compile("token|secret|password|key|url", re.IGNORECASE)
STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that every worker has; a room's own config is a subclass.

    ``mode``: "dry-run" (default) stores and logs orders and submits none, "paper" submits them to the paper
    broker, "live" to an exchange. ``log_level``: the lowest level written (default "INFO").
    """

    mode: Mode = "dry-run"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class BadConfig(PersonMustLook):
    """A key of a child's configuration is unknown or holds what it may not."""

    def __init__(self, *, key: str, found: object, problem: str) -> None:
        super().__init__(key, found, problem)
        self.key, self.found, self.problem = key, found, problem

    def __str__(self) -> str:
        return f"{self.key}: found {self.found!r}; {self.problem}; correct the tree file"


def decode(config: Mapping[str, Any], kind: type[StructT], child: str, *, section: str = "config") -> StructT:
    """Turn ``config`` into ``kind``. Raises BadConfig: which key, what was found, what is allowed."""
    try:
        return msgspec.convert(dict(config), kind)
    except msgspec.ValidationError as error:
        raise _explained(str(error), dict(config), kind, f"{child}.{section}") from error


def finite_above_zero(name: str, value: Decimal) -> None:
    """Raise ValueError unless ``value`` is a finite number above 0; for ``__post_init__`` of structs."""
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, found {value}")


def _explained(message: str, config: dict[str, Any], kind: type, prefix: str) -> BadConfig:
    if unknown := UNKNOWN_KEY.match(message):
        path, key = unknown["path"] or "", unknown["key"]
        return BadConfig(key=f"{prefix}{path}.{key}", found=key, problem=_unknown(key, _keys(kind, path)))
    located = LOCATED.match(message)
    what, path = (located["what"], located["path"]) if located else (message, "")
    return BadConfig(
        key=f"{prefix}{path}", found=_shown(_value(config, path)), problem=_allowed(what, kind, path)
    )


def _unknown(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"no such key; {hint}allowed: {', '.join(sorted(known))}"


def _allowed(what: str, kind: type, path: str) -> str:
    choices = _choices(_type_at(kind, path))
    return f"allowed: {', '.join(choices)}" if choices else what[:1].lower() + what[1:]


def _value(config: Any, path: str) -> Any:
    for key, index in STEP.findall(path):
        try:
            config = config[key or int(index)]
        except (KeyError, IndexError, TypeError):
            return None
    return config


def _shown(value: Any) -> Any:
    """What of a value may be shown: no address, which may hold secrets, and nothing that is named as one."""
    match value:
        case dict():
            return {key: "***" if SECRETIVE.search(str(key)) else _shown(held) for key, held in value.items()}
        case list() | tuple():
            return [_shown(held) for held in value]
        case str() if "://" in value:
            return f"{value.partition('://')[0]}://***"
        case _:
            return value


def _keys(kind: type, path: str) -> tuple[str, ...]:
    found = _struct_in(_type_at(kind, path))
    return tuple(field.encode_name for field in found.fields) if found else ()


def _type_at(kind: type, path: str) -> msgspec.inspect.Type | None:
    here: msgspec.inspect.Type | None = msgspec.inspect.type_info(kind)
    for key, index in STEP.findall(path):
        if index:
            return None
        struct = _struct_in(here)
        here = next((f.type for f in struct.fields if f.encode_name == key), None) if struct else None
    return here


def _struct_in(found: msgspec.inspect.Type | None) -> msgspec.inspect.StructType | None:
    options = found.types if isinstance(found, msgspec.inspect.UnionType) else (found,)
    return next((t for t in options if isinstance(t, msgspec.inspect.StructType)), None)


def _choices(found: msgspec.inspect.Type | None) -> list[str]:
    options = found.types if isinstance(found, msgspec.inspect.UnionType) else (found,)
    literals = [t for t in options if isinstance(t, msgspec.inspect.LiteralType)]
    names = [repr(value) for t in literals for value in t.values]
    others = [_noun(t) for t in options if t is not None and not isinstance(t, msgspec.inspect.LiteralType)]
    return names + others if names else []


def _noun(found: msgspec.inspect.Type) -> str:
    if isinstance(found, msgspec.inspect.FloatType | msgspec.inspect.IntType):
        return "a number" if found.gt is None else f"a number above {found.gt:g}"
    return type(found).__name__.removesuffix("Type").lower()
