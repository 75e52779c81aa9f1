"""``supervisor reload``."""

from __future__ import annotations

import click

from supervisor.cli._options import named_state_dir, tree_options


@click.command("reload", short_help="Have the running root read its tree file again.")
@click.option("--timeout", default=60.0, show_default=True, metavar="SECONDS", help="How long to wait.")
@tree_options
def command(*, timeout: float, config: str | None, state_dir: str | None) -> None:
    """Apply a changed tree file: only added, removed and changed children are touched.

    A child whose command, configuration, environment, readiness or heartbeat differs gets a new
    process; changed policy (restart type, backoff, intensity, shutdown ...) applies to the process
    that runs. New processes see edited Python modules. A file with mistakes changes nothing.

    \b
    Exit status: 0 applied; 2 the file has mistakes; 1 it cannot be applied to a running tree.
    Example:
      supervisor check && supervisor reload
    """
    import secrets

    from protocol.messages.operator import AskReload
    from supervisor.cli._failure import FAILED, Failure
    from supervisor.cli._operator import reach

    operator = reach(named_state_dir(config, state_dir))
    answer = operator.change(AskReload(secrets.token_hex(8)), timeout)
    said = answer.message or "; ".join(outcome.detail for outcome in answer.outcomes)
    if not answer.ok:
        raise Failure(said or "the reload failed", answer.code or FAILED)
    click.echo(said)
