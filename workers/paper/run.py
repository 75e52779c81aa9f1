"""``paper run``."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any, Literal

import click

from protocol.errors import ProtocolError
from protocol.messages.control import Launch
from protocol.places import endpoint, runtime_dir
from workers.paper._alone import alone
from workers.paper._failure import FAILED, Failure
from workers.paper._wanted import Wanted, wanted


@click.command("run")
@click.argument("child")
@click.option("--config", metavar="FILE", help="The tree file, or a built-in tree: demo.")
@click.option("--set", "sets", multiple=True, metavar="CHILD.KEY=VALUE", help="One key for this run.")
@click.option("--state-dir", metavar="DIR", help="Where it keeps its data; no root may run there.")
def command(*, child: str, config: str | None, sets: tuple[str, ...], state_dir: str | None) -> None:
    """Run one worker of a tree alone, in this process and this terminal, for debugging.

    Nobody supervises it: it is not restarted, nobody waits for its heartbeat, and breakpoints work. Its log
    is what is printed; Ctrl+C ends it in order. Run its neighbours in other terminals, on the same state
    directory, and they find each other. The exit status is the worker's own.

    \b
    Examples:
      paper run feed --config demo --state-dir /tmp/try
      paper run strategy --config tree.toml --set strategy.log_level=DEBUG
    """
    found = wanted(child, config, sets, state_dir)
    try:
        with alone(Path(found.state_dir), child):
            status = _run(found, child)
    except ProtocolError as error:
        raise Failure(str(error), FAILED) from error
    raise click.exceptions.Exit(status)


def _run(found: Wanted, child: str) -> int:
    launch = Launch(
        child=child,
        path=f"root/{child}",
        incarnation=1,
        runtime_dir=str(runtime_dir(Path(found.state_dir))),
        state_dir=found.state_dir,
        config_dir=found.config_dir,
        heartbeat=0.0,
        config=found.config,
        says_ready=False,
    )
    os.environ.update(found.environment)
    start = _imported(found)
    if found.directory is not None:
        os.chdir(found.directory)
    try:
        return int(start(launch) or 0)
    finally:
        _clear(launch)


def _clear(launch: Launch) -> None:
    """Take away the sockets, as a root does behind its children."""
    doors: tuple[Literal["live", "past"], ...] = ("live", "past")
    for door in doors:
        address = endpoint(launch.runtime_dir, launch.child, door)
        Path(address.removeprefix("ipc://")).unlink(missing_ok=True)


def _imported(found: Wanted) -> Any:
    """Import what the tree file names; the folder of the file comes after all that is installed."""
    sys.path.append(found.config_dir)
    module, _, name = found.start.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Failure(f"start = {found.start!r} cannot be used: {error}", FAILED) from error
