"""``supervisor check``."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import click

from supervisor.cli._failure import USAGE, Failure
from supervisor.cli._options import tree_options
from supervisor.cli._statedir import flaw_of
from supervisor.cli._surroundings import surroundings

if TYPE_CHECKING:
    from supervisor.config import Tree


@click.command("check", short_help="Check a tree file and start nothing.")
@click.option("--set", "sets", multiple=True, metavar="CHILD.KEY=VALUE", help="As for `supervisor start`.")
@click.option(
    "--worker", "worker", metavar="CHILD", help="Print what this Python worker is given, as JSON; no checks."
)
@click.option("--where", is_flag=True, help="Print the state directory; no checks of workers.")
@tree_options
def command(
    *, sets: tuple[str, ...], worker: str | None, where: bool, config: str | None, state_dir: str | None
) -> None:
    """Check a tree file, with everything from the environment that overrides it, and start nothing.

    All problems are told at once. Also tried: whether each worker's `start` can be imported, what it
    says about its section, whether each program can be found, and whether the state directory can be one.
    Exit status 0 or 2.

    \b
    Example:
      supervisor check --config /etc/supervisor-tree/supervisor.toml
    """
    from supervisor.config import Wishes, find_tree, load, workers

    here = surroundings()
    source = find_tree(config, here.environ, here.cwd)
    wishes = Wishes(sets=sets, state_dir=state_dir)
    tree = load(source, environ=here.environ, cwd=here.cwd, wishes=wishes)
    if where:
        click.echo(tree.state_dir)
        return
    if worker is not None:
        click.echo(_given(tree, worker))
        return
    refuse_unusable(tree, everything=True)
    if flaw := flaw_of(tree.state_dir):
        raise Failure(flaw, USAGE)
    click.echo(f"{tree.name}: good, {len(workers(tree.root))} processes, state in {tree.state_dir}")


def _given(tree: Tree, name: str) -> str:
    from supervisor.config import workers
    from supervisor.config.suggest import did_you_mean

    programs = {worker.id: worker.program for worker in workers(tree.root)}
    if name not in programs:
        hint = did_you_mean(name, list(programs))
        raise Failure(f'{tree.name}: there is no child "{name}"{hint}', USAGE)
    program = programs[name]
    if program.start is None:
        words = " ".join(program.command)
        raise Failure(f"{tree.name}: child {name} is a command, not a Python worker: {words}", USAGE)
    given = {
        "start": program.start,
        "config": dict(program.config),
        "config_dir": str(tree.config_dir),
        "state_dir": str(tree.state_dir),
        "environment": dict(program.environment),
        "directory": program.directory,
    }
    return json.dumps(given, default=str)


def refuse_unusable(tree: Tree, *, everything: bool) -> frozenset[str]:
    """Raise Failure with 2 when a worker cannot be imported; return who the run cannot end without.

    ``everything``: or when a program is not there, or a worker could not start with its section. The latter
    always in the mode live: what could not trade as it was told must not seem to.
    """
    from supervisor.cli._importable import look_at_workers
    from supervisor.config import live

    found = look_at_workers(tree, sections=everything or bool(live(tree.root)))
    problems = [*found.problems, *(missing_programs(tree) if everything else ())]
    if problems:
        raise Failure("\n".join(problems), USAGE)
    return found.members


def missing_programs(tree: Tree) -> list[str]:
    """Return a sentence for each command whose program does not exist or may not be run."""
    from supervisor.config import workers

    here = surroundings()
    problems = []
    for worker in workers(tree.root):
        program = worker.program
        if not program.command:
            continue
        path = program.environment.get("PATH", here.environ.get("PATH"))
        wanted = program.command[0]
        found = (here.cwd / (program.directory or "") / wanted) if "/" in wanted else wanted
        if shutil.which(found, path=path) is None:
            problems.append(f'child {worker.id}: command = ["{wanted}", ...]: there is no such program')
    return problems
