"""A callable as the text by which another process finds it: ``module:name``."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Final

_MAIN: Final = "__main__"


class NoTarget(ValueError):
    """The callable cannot be found by its name in another process; the sentence says why."""


def target_of(start: Callable[..., object]) -> str:
    """Return ``module:name`` of a callable. Raises NoTarget."""
    module, name = getattr(start, "__module__", None), getattr(start, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        raise NoTarget(f"a {type(start).__name__} has no name by which a child could import it")
    if "<" in name:
        raise NoTarget(f"{name} is not at the top of a module, so a child cannot import it")
    if not _is_there(sys.modules.get(module), name, start):
        raise NoTarget(f"{module}:{name} is something else, or nothing, when it is imported")
    return f"{_main_module() if module == _MAIN else module}:{name}"


def _is_there(module: ModuleType | None, name: str, start: object) -> bool:
    missing = object()
    found = reduce(lambda where, part: getattr(where, part, missing), name.split("."), module or missing)
    return bool(found == start)


def _main_module() -> str:
    """The name under which the program that runs can be imported without its ``__main__`` part being run."""
    main = sys.modules[_MAIN]
    if main.__spec__ is not None:
        return main.__spec__.name
    file = getattr(main, "__file__", None)
    if file is None:
        raise NoTarget("it lives in an interactive session; write it into a module, which a child can import")
    name = Path(file).stem
    try:
        found = importlib.util.find_spec(name)
    except ValueError:  # a module of that name that came from nowhere
        found = None
    if found is None or found.origin is None or not Path(found.origin).samefile(file):
        raise NoTarget(f"the script {file} cannot be imported as {name!r}: move it to a module of its own")
    return name
