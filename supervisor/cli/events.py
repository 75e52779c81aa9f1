"""``supervisor events``."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any, Final

import click

from supervisor.cli._failure import Failure
from supervisor.cli._history import events_file, open_events, read_events
from supervisor.cli._options import known_state_dir, tree_options
from supervisor.cli._surroundings import surroundings

_POLL: Final = 0.2
"""Seconds between two looks at the journal."""


@click.command("events", short_help="Show what happened to the tree.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl+C.")
@click.option("--since", type=click.IntRange(min=0), default=0, metavar="SEQ", help="Only those after SEQ.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines: seq, at, event, child, pid, ...")
@tree_options
def command(*, follow: bool, since: int, as_json: bool, config: str | None, state_dir: str | None) -> None:
    """Show what happened to the tree: every start, exit, restart, give-up and operator command.

    Events are numbered and kept on disk, so this also works when no root runs.

    \b
    Examples:
      supervisor events -f
      supervisor events --json --since 1200 | jq 'select(.event == "exited")'
    """
    path = events_file(known_state_dir(config, state_dir))
    connection = open_events(path)
    try:
        _show(connection, since, follow=follow, as_json=as_json)
    except (KeyboardInterrupt, BrokenPipeError):
        # The usual ways to end it (`| head`), hence no failure.
        return
    except sqlite3.Error as error:
        raise Failure(f"cannot read {path}: {error}") from error
    finally:
        connection.close()


def _show(connection: sqlite3.Connection, after: int, *, follow: bool, as_json: bool) -> None:
    while True:
        for event in read_events(connection, after):
            after = event["seq"]
            click.echo(json.dumps(event, ensure_ascii=False, default=str) if as_json else _readable(event))
        if not follow:
            return
        surroundings().wait(_POLL)


def _readable(event: dict[str, Any]) -> str:
    at = datetime.fromisoformat(event["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    facts = " ".join(
        f"{key}={_fact(value)}"
        for key, value in event.items()
        if key not in {"seq", "at", "event", "child"} and value is not None
    )
    return f"{event['seq']:>6}  {at}  {event['child'] or 'root':<10} {event['event']:<15} {facts}".rstrip()


def _fact(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return json.dumps(text, ensure_ascii=False) if " " in text and isinstance(value, str) else text
