"""From the name in the tree file to a strategy object."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from workers.shared.config import BadConfig, decode
from workers.strategy.api import Strategy, StrategyParameters
from workers.strategy.donchian import Donchian
from workers.strategy.evaluation import in_words
from workers.strategy.fresh import from_file
from workers.strategy.ma_cross import MaCross
from workers.strategy.remote import Remote
from workers.strategy.rsi_reversal import RsiReversal
from workers.strategy.twin import without_twin

SHIPPED: Final[Mapping[str, type[Strategy]]] = {
    "ma_cross": MaCross,
    "rsi_reversal": RsiReversal,
    "donchian": Donchian,
    "remote": Remote,
}
CALLED_WITH: Final[Mapping[str, tuple[str, ...]]] = {
    "on_candle": ("context", "candle"),
    "ready": ("context", "candle"),
    "on_tick": ("context", "tick"),
    "on_interval": ("context",),
    "on_fill": ("context", "fill"),
    "snapshot": (),
    "restore": ("snapshot",),
}
LONGEST_WARMUP: Final = 100_000
T = TypeVar("T")


class BadStrategy(BadConfig):
    """The class that the tree file names cannot be used."""

    def __str__(self) -> str:
        return f"{self.key}: found {self.found!r}; {self.problem}; correct the strategy, or this key"


@without_twin
def load(name: str, parameters: Mapping[str, Any], *, child: str, folder: Path) -> Strategy:
    """Return the strategy ``name`` with its checked ``parameters``; files are relative to ``folder``.

    Raises BadStrategy (no such file, module or class; it cannot be imported; its methods are called
    otherwise) or BadConfig (a parameter).
    """
    key = f"{child}.config.strategy"
    kind = find(name, folder=folder, key=key)
    if not (isinstance(kind.Parameters, type) and issubclass(kind.Parameters, StrategyParameters)):
        raise BadStrategy(key=key, found=name, problem="its Parameters are no subclass of StrategyParameters")
    checked = decode(parameters, kind.Parameters, child, section="config.parameters")
    strategy = _said(lambda: kind(checked), "its constructor", key, name)
    held = _said(lambda: getattr(strategy, "parameters", None), "its parameters", key, name)
    if not isinstance(held, StrategyParameters):
        raise BadStrategy(
            key=key, found=name, problem="its __init__ does not call super().__init__(parameters)"
        )
    length = _said(lambda: strategy.warmup, "its warmup", key, name)
    if type(length) is not int or length > LONGEST_WARMUP:
        problem = f"its warmup is {length!r}; allowed: a number of candles up to {LONGEST_WARMUP}"
        raise BadStrategy(key=key, found=name, problem=problem)
    if type(strategy.version) is not int:
        problem = f"its version is {strategy.version!r}; allowed: a whole number"
        raise BadStrategy(key=key, found=name, problem=problem)
    return strategy


def find(name: str, *, folder: Path, key: str = "strategy") -> type[Strategy]:
    """Return the class ``name``. Raises BadStrategy, which names ``key``."""
    kind = SHIPPED.get(name) or _own(name, key, folder)
    for method, arguments in CALLED_WITH.items():
        try:
            inspect.signature(getattr(kind, method)).bind(None, *arguments)
        except TypeError as error:
            wanted = ", ".join(("self", *arguments))
            problem = f"{method} is called as {method}({wanted}): {error}"
            raise BadStrategy(key=key, found=name, problem=problem) from error
    return kind


@without_twin
def complete(name: str, *, folder: Path, key: str = "strategy") -> str:
    """Return ``name`` with its class where it is a file that holds one strategy. Raises BadStrategy."""
    if name in SHIPPED or not name.endswith(".py"):
        return name
    module = _module(name, name, key, folder)
    own = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Strategy)]
    found = [kind.__name__ for kind in own if kind.__module__ == module.__name__]
    if len(found) != 1:
        told = ", ".join(found) or "none"
        problem = f"name the class, {name}:Class; strategies in this file: {told}"
        raise BadStrategy(key=key, found=name, problem=problem)
    return f"{name}:{found[0]}"


def _own(name: str, key: str, folder: Path) -> type[Strategy]:
    where, separator, class_name = name.rpartition(":")
    if not separator or not where or not class_name:
        shipped = ", ".join(SHIPPED)
        raise BadStrategy(
            key=key, found=name, problem=f'allowed: {shipped}, "file.py:Class" or "package.module:Class"'
        )
    module = _module(where, name, key, folder)
    kind = getattr(module, class_name, None)
    if not (isinstance(kind, type) and issubclass(kind, Strategy)):
        found = "no such class" if kind is None else "not a subclass of workers.strategy.api.Strategy"
        raise BadStrategy(key=key, found=name, problem=f"{class_name} in {where}: {found}")
    return kind


def _said(question: Callable[[], T], what: str, key: str, name: str) -> T:
    try:
        return question()
    except BaseException as error:
        raise BadStrategy(key=key, found=name, problem=f"{what} raised {in_words(error)}") from error


def _module(where: str, name: str, key: str, folder: Path) -> ModuleType:
    try:
        return from_file(folder / where) if where.endswith(".py") else importlib.import_module(where)
    except FileNotFoundError as error:
        raise BadStrategy(key=key, found=name, problem=f"no such file: {folder / where}") from error
    except ModuleNotFoundError as error:
        raise BadStrategy(key=key, found=name, problem=f"{error}; install it, or name a .py file") from error
    except BaseException as error:
        raise BadStrategy(key=key, found=name, problem=f"importing it raised {in_words(error)}") from error
