"""Becoming the root process, or starting one in the background."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import click

from supervisor.cli._announcing import announce_failure, announce_ready
from supervisor.cli._early import EARLY, block
from supervisor.cli._failure import FAILED, Failure
from supervisor.cli._importable import look_at_workers, module_command
from supervisor.cli._statedir import flaw_of, nearest_existing
from supervisor.cli._surroundings import Surroundings, surroundings
from supervisor.cli.check import refuse_unusable
from supervisor.config import ConfigError, Source, Tree, Wishes, find_tree, live, load
from supervisor.config.errors import Problem

BANNER = """\
*** DEMO: no tree file was found, so this is the built-in one: recorded market data, paper money.
*** Write your own with `supervisor init`, or name one with --config FILE.
"""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What ``supervisor start`` was asked for. ``limits``: the duration and the restarts of this run.

    ``members``: who the run cannot end without, where that was found out before.
    """

    config: str | None
    wishes: Wishes
    limits: tuple[float | None, int | None] = (None, None)
    detach: bool = False
    preflight: bool = False
    detached_child: bool = False
    members: frozenset[str] = frozenset()


def start_tree(order: Order) -> None:
    """Do it. Ends this process's command with the exit status of the run."""
    here = surroundings()
    if order.detach or order.preflight:
        EARLY.leave()
    if not (order.detach or order.preflight or here.is_root_module):
        _become_root_module()
    source = find_tree(order.config, here.environ, here.cwd)
    if order.detach and source.demo:
        raise ConfigError([Problem(origin="--detach", says="needs a tree file: name one with --config FILE")])
    tree = _read(source, order, here)
    if flaw := flaw_of(tree.state_dir):
        raise Failure(flaw, FAILED)
    members = order.members
    if not order.detached_child:
        members = refuse_unusable(tree, everything=order.preflight)
    if order.preflight:
        _tell_preflight(tree)
    elif order.detach:
        from supervisor.cli._detach import start_detached

        start_detached(tree, sys.argv[1:], members)
    else:
        _run(tree, source, replace(order, members=members), here)


def _run(tree: Tree, source: Source, order: Order, here: Surroundings) -> None:
    from supervisor.runtime import RunOptions

    EARLY.hold()
    if source.demo:
        click.echo(BANNER, err=True, nl=False)
    duration, max_restarts = order.limits
    options = RunOptions(
        duration=duration,
        max_restarts=max_restarts,
        members=order.members,
        detached=order.detached_child,
        announce=announce_ready if order.detached_child else None,
        announce_failure=announce_failure if order.detached_child else None,
        called_off=EARLY.noted,
        reader=lambda: _read_again(source, order, here),
    )
    click.get_current_context().exit(here.run(tree, options))


def _read(source: Source, order: Order, here: Surroundings) -> Tree:
    """Read the tree, and refuse a real account that the command line did not name too."""
    tree = load(source, environ=here.environ, cwd=here.cwd, wishes=order.wishes)
    real = live(tree.root)
    if real and order.wishes.mode != "live":
        says = f'mode = "live" for {", ".join(real)}: a real account takes the flag --live too, at each start'
        raise ConfigError([Problem(origin=tree.name, says=says)])
    return tree


def _read_again(source: Source, order: Order, here: Surroundings) -> Tree:
    # A file may be mistaken, a worker not importable: the root that runs wants one kind of refusal.
    tree = _read(source, order, here)
    problems = look_at_workers(tree).problems
    if problems:
        raise ConfigError([Problem(origin=tree.name, says=problem) for problem in problems])
    return tree


def _become_root_module() -> None:
    # Children of a forkserver run the root's main module again, unless it is a package's __main__.
    sys.stdout.flush()
    sys.stderr.flush()
    block()  # what comes during the exec is heard by the process after it
    os.execv(sys.executable, [*module_command("supervisor"), *sys.argv[1:]])


def _tell_preflight(tree: Tree) -> None:
    click.echo(f"configuration: good ({tree.name})")
    click.echo("workers, their sections and programs: all good")
    place = nearest_existing(tree.state_dir)
    if not os.access(place, os.W_OK | os.X_OK):
        raise Failure(f"state directory: {place} is not writable; choose another with --state-dir", FAILED)
    click.echo(f"state directory: writable ({tree.state_dir})")
    click.echo(f"state files: {_good_state_files(tree.state_dir)}, all good")


def _good_state_files(state_dir: Path) -> int:
    from supervisor.cli._statefiles import state_files, trouble_of

    files = state_files(state_dir)
    problems = [f"state file {path}: {trouble}" for path in files if (trouble := trouble_of(path))]
    if problems:
        raise Failure("\n".join(problems), FAILED)
    return len(files)
