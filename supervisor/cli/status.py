"""``supervisor status``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from supervisor.cli._failure import NOT_READY
from supervisor.cli._options import DURATION, named_state_dir, tree_options
from supervisor.cli._surroundings import surroundings


@click.command("status", short_help="Show what runs, and how well.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object (with --watch: one a line).")
@click.option("--watch", is_flag=True, help="Show it again and again until Ctrl+C.")
@click.option("--interval", type=DURATION, default="1s", show_default=True, metavar="T", help="For --watch.")
@tree_options
@click.pass_context
def command(
    ctx: click.Context, *, as_json: bool, watch: bool, interval: float,
    config: str | None, state_dir: str | None,
) -> None:  # fmt: skip
    """Show the running tree: each child with its state, health, restarts and last exit.

    RESTARTS is "within the period / allowed". Exit status: 0 all wanted children are ready, 3 one is
    not, 4 no root is running, 5 the root does not answer.

    \b
    Examples:
      supervisor status
      supervisor status --json | jq '.children[] | select(.state != "ready")'
    """
    from supervisor.cli._operator import reach

    operator = reach(named_state_dir(config, state_dir))
    if watch:
        _watch(operator.status, interval, as_json=as_json)
        return
    status = operator.status()
    if as_json:
        click.echo(json.dumps(status, ensure_ascii=False))
    else:
        from supervisor.cli._table import print_status

        print_status(status)
    ctx.exit(0 if all_ready(status) else NOT_READY)


def all_ready(status: dict[str, Any]) -> bool:
    """Whether every wanted process is ready."""
    workers = [child for child in status["children"] if child["type"] == "worker"]
    return all(child["state"] == "ready" for child in workers if child["wanted"])


def _watch(ask: Callable[[], dict[str, Any]], interval: float, *, as_json: bool) -> None:
    try:
        if as_json:
            while True:
                click.echo(json.dumps(ask(), ensure_ascii=False))
                surroundings().wait(interval)
        from supervisor.cli._table import watch_status

        watch_status(ask, lambda: surroundings().wait(interval))
    except (KeyboardInterrupt, BrokenPipeError):
        # The usual ways to end it (`| head`), hence no failure.
        return
