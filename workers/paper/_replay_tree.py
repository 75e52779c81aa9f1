"""The tree of ``paper replay``: one of its own, or what must be set in a tree that the user names."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, Literal

from workers.paper._failure import USAGE, Failure

FEED: Final = "workers.feed:main"
STRATEGY: Final = "workers.strategy:main"
BROKER: Final = "workers.broker:main"
NOTIFIER: Final = "workers.notifier:main"
MEMBERS: Final = (FEED, STRATEGY, BROKER)
"""Who takes part in each row: when one of them is parked, the replay cannot go on."""

PRELOAD: Final = ["workers.shared", "workers.notifier", "workers.broker", "workers.strategy", "workers.feed"]


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for. ``speed``: "max" or a factor; ``strategy`` None: the tree's own."""

    file: Path
    speed: float | Literal["max"] = "max"
    strategy: str | None = None
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReplayTree:
    """A tree that replays: its file, what is set in it, and which child is what."""

    file: str
    sets: tuple[str, ...]
    feed: str
    broker: str
    members: frozenset[str]


def own_tree(wishes: Wishes) -> str:
    """Return the text of a tree file: four children, no breakers, messages to the log only."""
    strategy = {"strategy": _strategy(wishes.strategy or "ma_cross"), "inputs": ["feed"]}
    tables: Iterable[tuple[str, Mapping[str, object]]] = (
        ("[supervisor]", {"preload": PRELOAD}),
        ("[defaults.config]", {"mode": "paper"}),
        *_child("notifier", NOTIFIER, {"deliver": "log"}),
        *_child("broker", BROKER, {"inputs": ["feed", "strategy"], "breakers": "off"}),
        *_child("strategy", STRATEGY, strategy),
        *_child("feed", FEED, _recording(wishes)),
    )
    return "\n".join(line for head, keys in tables for line in ("", head, *_lines(keys)))


def prepare(wishes: Wishes, config: str | None, folder: Path) -> ReplayTree:
    """Return the tree to run; without ``config`` its file is written into ``folder``.

    Fails in words when the tree named cannot be read, or has not one feed and one broker.
    """
    if config is None:
        file = folder / "replay.toml"
        file.write_text(own_tree(wishes), encoding="utf-8")
        members = frozenset({"feed", "strategy", "broker"})
        return ReplayTree(str(file), wishes.sets, "feed", "broker", members)
    return _named(wishes, config)


def _named(wishes: Wishes, config: str) -> ReplayTree:
    children = _children(config)
    feed, broker = _only(children, FEED, config), _only(children, BROKER, config)
    sets = [f"{feed}.config.{line}" for line in _assignments(_recording(wishes))]
    if "breakers" not in children[broker].get("config", {}):
        sets.append(f'{broker}.config.breakers="off"')
    sets += [f'{child}.config.deliver="log"' for child in _starting(children, NOTIFIER)]
    if wishes.strategy is not None:
        chosen = _only(children, STRATEGY, config)
        sets += [f"{chosen}.config.{line}" for line in _assignments({"strategy": _strategy(wishes.strategy)})]
    members = frozenset(child for start in MEMBERS for child in _starting(children, start))
    return ReplayTree(config, (*sets, *wishes.sets), feed, broker, members)


def _recording(wishes: Wishes) -> dict[str, object]:
    return {
        "source": "recorded",
        "file": str(wishes.file.absolute()),
        "speed": wishes.speed,
        "on_end": "shutdown",
    }


def _strategy(name: str) -> str:
    """Make the path of a strategy in a file absolute: it is relative to where the command is given."""
    where, colon, kind = name.rpartition(":")
    return f"{Path(where).absolute()}:{kind}" if colon and where.endswith(".py") else name


def _children(config: str) -> dict[str, dict[str, Any]]:
    shipped = [entry for entry in entry_points(group="supervisor_tree.trees") if entry.name == config]
    path = Path(shipped[0].load()() if shipped else config)
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"tree file {path}: {error.strerror or error}", USAGE) from error
    except ValueError as error:
        raise Failure(f"tree file {path}: {error}", USAGE) from error
    found = tree.get("child", [])
    return {str(child["id"]): child for child in found if isinstance(child, dict) and "id" in child}


def _starting(children: Mapping[str, Mapping[str, Any]], start: str) -> list[str]:
    return [name for name, child in children.items() if child.get("start") == start]


def _only(children: Mapping[str, Mapping[str, Any]], start: str, config: str) -> str:
    found = _starting(children, start)
    if len(found) != 1:
        told = ", ".join(found) or "none"
        raise Failure(f'tree file {config}: one child with start = "{start}" is needed, found {told}', USAGE)
    return found[0]


def _child(
    name: str, start: str, config: Mapping[str, object]
) -> tuple[tuple[str, Mapping[str, object]], ...]:
    return ("[[child]]", {"id": name, "start": start}), ("[child.config]", config)


def _lines(keys: Mapping[str, object]) -> list[str]:
    # What JSON writes of strings, numbers and lists of strings, TOML reads.
    return [f"{key} = {json.dumps(value)}" for key, value in keys.items()]


def _assignments(keys: Mapping[str, object]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in keys.items()]
