"""The command ``paper``: what the account holds and did, and what its broker is told.

One file a command, discovered; files that begin with ``_`` are shared parts. It reads the workers' databases
and changes nothing in them: while the tree runs, and with nothing running. What a broker is told is written
to a journal of its own, which the broker reads. ``replay`` runs a tree of its own.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import click

from workers.paper._standard import guarded, readable

_HELP = """Show what the paper account holds and did.

\b
Examples:
  paper fills                         every execution, oldest first
  paper positions --json              one JSON object a line, amounts as strings
  paper ledger --digest               one line that is the same when the books are the same
  paper replay candles.csv.gz         trade a recording with fresh books
  paper report --week                 what it made, by strategy and by why trades ended
  paper equity --out equity.png       the equity over time, drawn
  paper order buy 0.01 --stop-loss 2% one order by hand, shown first
  paper pause; paper resume           no new entries; again
  paper kill-switch on                cancel all, close all, trade no more
  paper run feed --config demo        one worker alone, for debugging

\b
State directory: --state-dir DIR, else $SUPERVISOR_STATE_DIR, else that of --config FILE or
  $SUPERVISOR_CONFIG, else that of the running root, else that of the root that ended last (stderr says
  which; what tells a broker something asks for --state-dir where several roots ran before).
Exit status: 0 done; 1 nothing to read, it cannot be read or written; 2 usage, or several roots run and none
  was named.
"""


class Commands(click.Group):
    """Finds commands in this package; imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        names = (found.name for found in pkgutil.iter_modules(__path__))
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command, None when there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command
        return command if isinstance(command, click.Command) else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; it ends in order where nobody reads its output any more."""
        with readable():
            return super().invoke(ctx)


@click.command(cls=Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Run one of the commands."""


def main() -> None:
    """Run the command line of this process; never returns."""
    with guarded():
        cli(prog_name="paper")
