"""What commands touch outside of themselves, in one place, so that tests can give them a small world."""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from supervisor.cli._failure import Failure

if TYPE_CHECKING:
    from supervisor.config import Tree
    from supervisor.runtime import RunOptions


class Ask(Protocol):
    """Asks a socket once; see :func:`protocol.transport.zeromq.ask`."""

    def __call__(self, endpoint: str, frame: bytes, *, timeout: float, max_bytes: int) -> bytes:
        """Return the answer's frame. Raises NoAnswer."""
        ...


def _ask(endpoint: str, frame: bytes, *, timeout: float, max_bytes: int) -> bytes:
    from protocol.transport.zeromq import ask

    return ask(endpoint, frame, timeout=timeout, max_bytes=max_bytes)


def _wait(seconds: float) -> None:
    # A quiet child may say nothing for hours after `| head` has gone.
    output = select.poll()
    output.register(1, 0)
    if output.poll(seconds * 1000):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _run(tree: Tree, options: RunOptions) -> int:
    from supervisor.runtime import run

    return run(tree, options)


def _is_root_module() -> bool:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec is not None and spec.name == "supervisor.__main__"


@dataclass(frozen=True)
class Surroundings:
    """The process around a command. ``is_root_module``: it runs as ``python -m supervisor``.

    ``wait`` lets so many seconds pass between two looks; BrokenPipeError when nobody reads the output now.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    cwd: Path = field(default_factory=Path.cwd)
    ask: Ask = _ask
    run: Callable[[Tree, RunOptions], int] = _run
    wait: Callable[[float], None] = _wait
    is_root_module: bool = field(default_factory=_is_root_module)


def surroundings() -> Surroundings:
    """Return those of the running command."""
    found = click.get_current_context().find_object(Surroundings)
    try:
        return found or Surroundings()
    except FileNotFoundError as error:
        raise Failure("the working directory no longer exists; go to another one first (cd)") from error
