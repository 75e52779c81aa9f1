"""``supervisor start``: become the root, or have the running root start children."""

from __future__ import annotations

from typing import Any

import click

from supervisor.cli._options import DURATION, named_state_dir, tree_options, wait_options

_RUN_OPTIONS = (
    "detach", "preflight", "dry_run", "paper", "live", "duration", "max_restarts", "restart_delay",
    "infinite", "only", "sets", "detached_child", "members",
)  # fmt: skip


@click.command("start", short_help="Start the tree, or children of the running one.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--detach", is_flag=True, help="In the background; returns when all children are ready, or why not."
)
@click.option(
    "--preflight",
    is_flag=True,
    help="Make all checks, also of worker sections and state files; start nothing.",
)
@click.option("--dry-run", is_flag=True, help="Log orders, submit none (sets mode).")
@click.option("--paper", is_flag=True, help="Submit orders to the paper broker (sets mode).")
@click.option("--live", is_flag=True, help='Allow the real account of those whose file says mode = "live".')
@click.option("--duration", type=DURATION, metavar="T", help="Stop in order after T, with exit status 0.")
@click.option(
    "--max-restarts", type=click.IntRange(min=0), metavar="N",
    help="More than N restarts in this run: stop in order, with exit status 1.",
)  # fmt: skip
@click.option("--restart-delay", type=DURATION, metavar="T", help="Initial backoff of every child.")
@click.option("--infinite", is_flag=True, help="No --duration and no --max-restarts.")
@click.option("--only", metavar="NAME,...", help="Only these children or groups.")
@click.option("--set", "sets", multiple=True, metavar="CHILD.KEY=VALUE", help="One key for this run.")
@click.option("--all", "everything", is_flag=True, help="All children of the running root.")
@click.option("--detached-child", is_flag=True, hidden=True)
@click.option("--member", "members", multiple=True, hidden=True)
@wait_options
@tree_options
def command(
    *, names: tuple[str, ...], everything: bool, no_wait: bool, timeout: float, config: str | None,
    state_dir: str | None, **run: Any,
) -> None:  # fmt: skip
    """Start the tree as this process; or, with names, children that were stopped, parked or held.

    In the foreground this process is the root: its output is the log of all children, and Ctrl+C or
    SIGTERM stops them in reverse order (a second Ctrl+C at once). A demo on recorded market data runs
    when there is no tree file.

    \b
    Examples:
      supervisor start --config demo
      supervisor start --detach --paper --set feed.symbol=ETH/USDT
      supervisor start --only feed,strategy --duration 1h
      supervisor start feed               a child of the running root
    """
    if names or everything:
        _start_children(names, run, everything=everything, wait=not no_wait, timeout=timeout,
                        config=config, state_dir=state_dir)  # fmt: skip
        return
    from supervisor.cli._foreground import Order, start_tree

    start_tree(Order(config=config, wishes=_wishes(state_dir, run), limits=_limits(run),
                     detach=run["detach"], preflight=run["preflight"],
                     detached_child=run["detached_child"], members=frozenset(run["members"])))  # fmt: skip


def _start_children(
    names: tuple[str, ...], run: dict[str, Any], *, everything: bool, wait: bool, timeout: float,
    config: str | None, state_dir: str | None,
) -> None:  # fmt: skip
    from supervisor.cli._early import EARLY
    from supervisor.cli._operator import perform, reach

    EARLY.leave()
    foreign = [f"--{name.replace('_', '-')}" for name in _RUN_OPTIONS if run[name] not in (None, False, ())]
    if names and everything:
        raise click.UsageError("name children, or use --all, not both")
    if foreign:
        raise click.UsageError(
            f"{', '.join(foreign)}: for starting a tree, not for children of a running one"
        )
    operator = reach(named_state_dir(config, state_dir))
    perform(operator, "start", names, everything=everything, wait=wait, timeout=timeout)


def _wishes(state_dir: str | None, run: dict[str, Any]) -> Any:
    from supervisor.config import Wishes

    modes = [mode for mode in ("dry-run", "paper", "live") if run[mode.replace("-", "_")]]
    if len(modes) > 1:
        raise click.UsageError(f"two modes at once: --{' and --'.join(modes)}; give at most one")
    only = tuple(name.strip() for name in (run["only"] or "").split(",") if name.strip())
    if run["only"] is not None and not only:
        raise click.UsageError("--only needs at least one name")
    return Wishes(
        sets=run["sets"],
        only=only,
        mode=modes[0] if modes else None,  # type: ignore[arg-type]  # one of the three words
        restart_delay=run["restart_delay"],
        state_dir=state_dir,
    )


def _limits(run: dict[str, Any]) -> tuple[float | None, int | None]:
    if run["infinite"] and (run["duration"] is not None or run["max_restarts"] is not None):
        raise click.UsageError("--infinite means no --duration and no --max-restarts")
    return run["duration"], run["max_restarts"]
