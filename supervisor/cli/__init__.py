"""The command ``supervisor``: one file a command, discovered; files that begin with ``_`` are shared parts.

Start-up is light on purpose: a command imports what it needs when it runs.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Any

import click

from supervisor.cli._early import EARLY, unblock
from supervisor.cli._failure import translated
from supervisor.cli._standard import guarded, provide

_HELP = """Keep a tree of processes running, and tell what they do.

One root process starts the children that a tree file names, restarts them by the rules written
there, and stops them in reverse order. The other commands talk to the running root, from any
directory.

\b
Examples:
  supervisor init                     write a commented tree file
  supervisor start                    run it, in this terminal; Ctrl+C stops it
  supervisor start --detach           run it in the background
  supervisor status                   what runs, and how well
  supervisor restart feed             a new process of one child
  supervisor logs feed -f             follow its log
  supervisor stop                     stop everything, in reverse order

\b
Tree file: --config FILE, else $SUPERVISOR_CONFIG, ./supervisor.toml,
  ~/.config/supervisor-tree/supervisor.toml, /etc/supervisor-tree/supervisor.toml.
Exit status: 0 done; 1 failed; 2 usage or configuration error; 3 (status) something wanted is not
  ready; 4 no root is running; 5 timed out waiting; 130 stopped by a second Ctrl+C.
"""


class Commands(click.Group):
    """Finds commands in this package; imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        names = (found.name for found in pkgutil.iter_modules(__path__))
        return sorted(name for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, None when there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments that no message could carry, then parse as ever."""
        for word in args:
            try:
                word.encode()
            except UnicodeEncodeError:
                raise click.UsageError(f"the argument {word!a} is not UTF-8", ctx) from None
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command; for one that does not exist, name the nearest."""
        from supervisor.config.suggest import did_you_mean

        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f'there is no command "{args[0]}"{hint}', ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors that people can act on become one sentence and an exit status."""
        with translated():
            return super().invoke(ctx)


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(version("supervisor-tree"))
        except PackageNotFoundError:
            click.echo("unknown: supervisor-tree is not installed")
        ctx.exit()


@click.command(cls=Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show it."
)
def cli() -> None:
    """Run one of the commands."""


def main() -> None:
    """Run the command line of this process; never returns."""
    provide()
    if "start" in sys.argv[1:2]:
        EARLY.listen(detached="--detached-child" in sys.argv)
    unblock()
    with guarded():
        cli(prog_name="supervisor")
