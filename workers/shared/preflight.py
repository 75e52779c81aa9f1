"""What a worker can say about its section of the tree file before anything is started.

``supervisor check`` and ``start --preflight`` call ``preflight`` of the module that a child's ``start``
names, in a short-lived process. A room makes it of the same functions that its start uses::

    preflight = section(FeedConfig, lambda config, place: check(config, place.child))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from workers.shared.config import WorkerConfig, decode
from workers.shared.exits import PersonMustLook

ConfigT = TypeVar("ConfigT", bound=WorkerConfig)
Part = Literal["ends", "member"]
"""What ``part_in_run(config)`` of a worker's module answers, see :mod:`supervisor.cli._importable`."""
Preflight = Callable[[str, Mapping[str, Any], str, str], tuple[str, ...]]


@dataclass(frozen=True)
class Place:
    """Where the worker will run. Relative paths of its section are relative to ``config_dir``."""

    child: str
    config_dir: Path
    state_dir: Path

    def path(self, name: str) -> Path:
        """Resolve a path of the section, as :meth:`workers.shared.worker.Context.path` does."""
        return self.config_dir / name


def section(kind: type[ConfigT], *checks: Callable[[ConfigT, Place], object]) -> Preflight:
    """Return a ``preflight`` that decodes the section as ``kind`` and then makes all checks.

    A check raises PersonMustLook when the worker could not start; it changes nothing.
    """

    def preflight(child: str, config: Mapping[str, Any], config_dir: str, state_dir: str) -> tuple[str, ...]:
        place = Place(child, Path(config_dir), Path(state_dir))
        try:
            decoded = decode(config, kind, child)
        except PersonMustLook as problem:
            return (str(problem),)
        found = (_problem(check, decoded, place) for check in checks)
        return tuple(problem for problem in found if problem is not None)

    return preflight


def _problem(check: Callable[[ConfigT, Place], object], config: ConfigT, place: Place) -> str | None:
    try:
        check(config, place)
    except PersonMustLook as problem:
        return str(problem)
    return None
