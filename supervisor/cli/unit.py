"""``supervisor unit``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from supervisor.cli._options import tree_options
from supervisor.cli._surroundings import surroundings


@click.command("unit", short_help="Print a systemd unit for a tree.")
@click.option("--user", is_flag=True, help="For your own service manager (systemctl --user).")
@click.option("--live", is_flag=True, help="For a tree with a real account, which each start must name too.")
@tree_options
def command(*, user: bool, live: bool, config: str | None, state_dir: str | None) -> None:
    """Print a systemd unit that runs the tree of --config FILE; how to install it stands at its head.

    The unit waits for the tree to be up (Type=notify), kills a root that hangs (WatchdogSec), grants the
    time to stop that the tree file asks for, and takes from the tree what it does not need. Its state is
    kept below /var/lib/supervisor-tree, or with --user where your systemd keeps state, unless
    --state-dir names another place.

    \b
    Examples:
      supervisor unit --config /etc/supervisor-tree/supervisor.toml
      supervisor unit --config ~/tree.toml --user > ~/.config/systemd/user/supervisor-tree.service
    """
    from supervisor.cli._unitfile import Service, unit_text
    from supervisor.config import Wishes, find_tree, load

    if config is None:
        raise click.UsageError("a unit is for one tree, and needs its name: --config FILE")
    here = surroundings()
    source = find_tree(config, here.environ, here.cwd)
    tree = load(source, environ=here.environ, cwd=here.cwd, wishes=Wishes(state_dir=state_dir))
    service = Service(
        root=tree.root,
        config=str(source.path) if source.home == source.path.parent else source.name,
        program=_program(here.environ.get("PATH")),
        state_dir=tree.state_dir if state_dir is not None else None,
        user=user,
        live=live,
    )
    click.echo(unit_text(service), nl=False)


def _program(search: str | None) -> Path:
    """The command itself, beside the Python that runs it now; else as the shell finds it."""
    beside = Path(sys.executable).with_name("supervisor")
    return beside if beside.exists() else Path(shutil.which("supervisor", path=search) or beside)
