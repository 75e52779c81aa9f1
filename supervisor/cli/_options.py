"""Options and value types that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from supervisor.cli._surroundings import surroundings
from supervisor.config.durations import parse_duration

F = TypeVar("F", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """A duration as people write it; seconds inside."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds; fails with what is allowed."""
        try:
            return parse_duration(_number_or_text(value))
        except ValueError as error:
            self.fail(f"found {value!r}, allowed is {error}", param, ctx)


def _number_or_text(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


DURATION = Duration()


class Place(click.ParamType[str]):
    """A file or directory. An empty word is a variable that was not set, and would mean another tree."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it is."""
        if not value:
            self.fail("it is empty; leave the option out, or say which is meant", param, ctx)
        return str(value)


PLACE = Place()


def tree_options(function: F) -> F:
    """Add ``--config`` and ``--state-dir``."""
    function = click.option(
        "--state-dir",
        type=PLACE,
        metavar="DIR",
        help="Where the tree keeps its data and logs; says which root is meant when several run.",
    )(function)
    return click.option(
        "--config", type=PLACE, metavar="FILE", help="The tree file, or a built-in tree: demo."
    )(function)


def wait_options(function: F) -> F:
    """Add ``--no-wait`` and ``--timeout``."""
    function = click.option(
        "--timeout",
        type=DURATION,
        default="5m",
        show_default=True,
        metavar="T",
        help="Wait at most so long, then exit with 5; the root goes on.",
    )(function)
    return click.option("--no-wait", is_flag=True, help="Return at once, not when it is done.")(function)


def named_state_dir(config: str | None, state_dir: str | None) -> Path | None:
    """Return the state directory that options or the environment name; None: find the running root.

    A built-in tree says nothing about it: its state lies where it was started.
    """
    here = surroundings()
    named = state_dir or here.environ.get("SUPERVISOR_STATE_DIR")
    if named:
        return here.cwd / Path(named).expanduser()
    if not (config or here.environ.get("SUPERVISOR_CONFIG")):
        return None
    from supervisor.config import Wishes, find_tree, load

    source = find_tree(config, here.environ, here.cwd)
    if source.home != source.path.parent:
        return None
    return load(source, environ=here.environ, cwd=here.cwd, wishes=Wishes()).state_dir


def known_state_dir(config: str | None, state_dir: str | None) -> Path:
    """Return the state directory, also with nothing running: then stderr says which, unless it was named.

    Raises NoRoot, SeveralRoots.
    """
    from protocol.places import find_state_dir, running_roots

    named = named_state_dir(config, state_dir)
    found = find_state_dir(named)
    if named is None and not any(entry.state_dir == str(found) for entry in running_roots()):
        click.echo(
            f"supervisor: no root is running; this is about the one that ended last, on {found}", err=True
        )
    return found
