"""``supervisor top``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from supervisor.cli._options import DURATION, named_state_dir, tree_options
from supervisor.cli._surroundings import surroundings

if TYPE_CHECKING:
    from supervisor.cli._screen import View

_WARNINGS: Final = 8


@click.command("top", short_help="Watch the tree on a live screen.")
@click.option(
    "--sort",
    type=click.Choice(["tree", "cpu", "memory", "restarts", "uptime"]),
    default="tree",
    show_default=True,
    help="The largest first; tree: in start order, with groups.",
)
@click.option(
    "--interval", type=DURATION, default="1s", show_default=True, metavar="T", help="Between looks."
)
@tree_options
def command(*, sort: str, interval: float, config: str | None, state_dir: str | None) -> None:
    """Watch the tree on a live screen: what each child does and uses, and the last warnings.

    Ctrl+C ends it. When the output goes into a pipe it is shown once. Exit status: 0; 4 no root is
    running, 5 the root does not answer.

    \b
    Examples:
      supervisor top
      supervisor top --sort memory --interval 5s
    """
    from supervisor.cli._operator import reach
    from supervisor.cli._screen import ordered, show

    operator = reach(named_state_dir(config, state_dir))

    def look() -> View:
        status = operator.status()
        return ordered(status, sort), _warnings(status)

    try:
        show(look, lambda: surroundings().wait(interval))
    except KeyboardInterrupt:
        # The usual way to end it, hence no failure.
        return


def _warnings(status: dict[str, Any]) -> list[str]:
    from supervisor.host.render import Renderer
    from supervisor.logview import SYSTEM, Filter, tail

    wanted = Filter(since=_since(status), level="WARNING")
    lines = tail(Path(status["root"]["state_dir"]) / "log", (SYSTEM,), wanted, _WARNINGS)
    renderer = Renderer(colour=False)
    return [renderer.text(line.record).partition("\n")[0] for line in lines]


def _since(status: dict[str, Any]) -> str:
    """The start of this root: older warnings are history, and a log is not searched beyond it."""
    from datetime import UTC, datetime, timedelta

    born = datetime.now(UTC) - timedelta(seconds=status["root"]["uptime"])
    return born.isoformat(timespec="milliseconds").replace("+00:00", "Z")
