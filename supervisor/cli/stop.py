"""``supervisor stop [NAME...]``."""

from __future__ import annotations

import click

from supervisor.cli._options import named_state_dir, tree_options, wait_options


@click.command("stop", short_help="Stop the tree, or children of it.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="The whole tree; the same as no name.")
@wait_options
@tree_options
def command(
    *, names: tuple[str, ...], everything: bool, no_wait: bool, timeout: float,
    config: str | None, state_dir: str | None,
) -> None:  # fmt: skip
    """Stop children, or the whole tree when none is named.

    A child that was stopped stays down until `supervisor start NAME` or `supervisor restart NAME`.
    The whole tree is stopped in reverse start order; the command returns when the root is gone.

    \b
    Examples:
      supervisor stop feed
      supervisor stop
    """
    from supervisor.cli._operator import perform, reach

    if names and everything:
        raise click.UsageError("name children, or use --all, not both")
    operator = reach(named_state_dir(config, state_dir))
    perform(operator, "stop", names, everything=not names, wait=not no_wait, timeout=timeout)
    if not names and not no_wait:
        operator.wait_for_end(timeout)
        click.echo("stopped")
