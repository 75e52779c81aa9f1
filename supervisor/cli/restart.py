"""``supervisor restart NAME...``."""

from __future__ import annotations

import click

from supervisor.cli._options import named_state_dir, tree_options, wait_options


@click.command("restart", short_help="Give children a new process.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="All children.")
@wait_options
@tree_options
def command(
    *, names: tuple[str, ...], everything: bool, no_wait: bool, timeout: float,
    config: str | None, state_dir: str | None,
) -> None:  # fmt: skip
    """Stop children and start new processes of them; returns when these are ready.

    Restarts that an operator asks for count against no limit. A parked or held child gets its
    counters cleared and is tried again.

    \b
    Examples:
      supervisor restart feed strategy
      supervisor restart --all --no-wait
    """
    from supervisor.cli._operator import perform, reach

    if bool(names) == everything:
        raise click.UsageError("name the children to restart, or use --all")
    operator = reach(named_state_dir(config, state_dir))
    perform(operator, "restart", names, everything=everything, wait=not no_wait, timeout=timeout)
