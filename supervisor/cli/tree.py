"""``supervisor tree``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from supervisor.cli._options import tree_options
from supervisor.cli._surroundings import surroundings
from supervisor.config.durations import format_duration
from supervisor.engine.spec import Intensity, SupervisorSpec, WorkerSpec


@click.command("tree", short_help="Draw the tree that the file describes.")
@tree_options
def command(*, config: str | None, state_dir: str | None) -> None:
    """Draw the tree that the file describes, in start order; it is stopped in reverse.

    What runs of it, and how well, is told by `supervisor status`.

    \b
    Example:
      $ supervisor tree --config demo
      root  one_for_one, 20 restarts in 10m, then hold
      |-- notifier  workers.notifier:main, permanent
      `-- feed      workers.feed:main, permanent
    """
    from supervisor.config import Wishes, find_tree, load

    here = surroundings()
    source = find_tree(config, here.environ, here.cwd)
    tree = load(source, environ=here.environ, cwd=here.cwd, wishes=Wishes(state_dir=state_dir))
    root = tree.root
    click.echo(f"{root.id}  {_supervisor(root)}, then {root.on_exhausted}")
    for line in _lines(root):
        click.echo(line)


def _lines(supervisor: SupervisorSpec) -> Iterator[str]:
    width = max((len(child.id) for child in supervisor.children), default=0)
    for index, child in enumerate(supervisor.children):
        last = index == len(supervisor.children) - 1
        branch, below = ("`--", "    ") if last else ("|--", "|   ")
        if isinstance(child, SupervisorSpec):
            yield f"{branch} {child.id:<{width}}  {_supervisor(child)}"
            yield from (below + line for line in _lines(child))
        else:
            yield f"{branch} {child.id:<{width}}  {_worker(child)}"


def _supervisor(spec: SupervisorSpec) -> str:
    return f"{spec.strategy}, {_limit(spec.intensity)}"


def _worker(spec: WorkerSpec) -> str:
    what = spec.program.start or " ".join(spec.program.command)
    own = f", {_limit(spec.intensity)}, then {spec.on_exhausted}" if spec.intensity else ""
    return f"{what}, {spec.restart}{own}"


def _limit(intensity: Intensity) -> str:
    return f"{intensity.max_restarts} restarts in {format_duration(intensity.period)}"
