"""What a worker's ``start`` is: whether it wants its launch, and whether it is just being imported."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_being_imported: list[str] = []


@contextmanager
def importing(module: str) -> Iterator[None]:
    """Note that this process is a newborn worker which imports its module within the block."""
    _being_imported.append(module)
    try:
        yield
    finally:
        _being_imported.remove(module)


def imported_now() -> str | None:
    """The module that this newborn worker is importing; None in every other process, and later."""
    return _being_imported[0] if _being_imported else None


def takes_nothing(start: Callable[..., object]) -> bool:
    """Whether ``start`` cannot be called with one argument but can be called with none."""
    try:
        signature = inspect.signature(start)
    except (TypeError, ValueError):  # some that are written in C do not tell
        return False
    return not _binds(signature, None) and _binds(signature)


def _binds(signature: inspect.Signature, *arguments: object) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True
