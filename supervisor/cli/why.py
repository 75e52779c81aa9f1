"""``supervisor why NAME``."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from supervisor.cli._failure import USAGE, Failure
from supervisor.cli._options import known_state_dir, named_state_dir, tree_options
from supervisor.cli._surroundings import surroundings

if TYPE_CHECKING:
    from supervisor.cli._history import Event
    from supervisor.cli._prospect import Prospect
    from supervisor.cli._story import Story
    from supervisor.cli._why import Answer
    from supervisor.logview import Line

_MOST_EVENTS: Final = 100_000
"""So many of the newest events are looked at: a day of a child that fails every second."""
_LOG_LINES: Final = 20


@click.command("why", short_help="Explain the last end of a child, and what comes next.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@tree_options
def command(*, name: str, as_json: bool, config: str | None, state_dir: str | None) -> None:
    """Explain why a child ended, who asked for it, how it has failed so far, and what happens next.

    The last lines of its log before that end are shown too. Works on what is on disk, so also when no
    root runs; with a running root it tells the state and the time of the next try as well.

    Exit status: 0 told; 1 nothing is known yet; 2 there is no such child; 5 the root does not answer.

    \b
    Examples:
      supervisor why feed
      supervisor why feed --json | jq -r '.last_exit.words, .next.words'
    """
    from supervisor.cli._history import events_file, last_events, remembered_events
    from supervisor.cli._story import tell_story
    from supervisor.cli._why import Answer

    status = _status(config, state_dir)
    place = known_state_dir(config, state_dir)
    file = events_file(place)
    remembered, events = remembered_events(file), last_events(file, _MOST_EVENTS)
    child = _child(name, status, [*remembered, *events])
    story = tell_story(name, events, root_runs=status is not None, remembered=remembered)
    answer = Answer(name=name, status=child, story=story, prospect=_prospect(child, status, story))
    _show(answer, _last_lines(place / "log", name, story), as_json=as_json)


def _status(config: str | None, state_dir: str | None) -> dict[str, Any] | None:
    from protocol.errors import NoRoot
    from supervisor.cli._operator import reach

    try:
        return reach(named_state_dir(config, state_dir)).status()
    except NoRoot:
        return None


def _child(name: str, status: dict[str, Any] | None, events: list[Event]) -> dict[str, Any] | None:
    """Return the child's object in the status, if a root runs. Raises Failure for a name nobody knows."""
    from supervisor.cli._story import known_children
    from supervisor.config.suggest import did_you_mean

    children = {child["id"]: child for child in status["children"]} if status is not None else {}
    known = known_children(events) | set(children)
    if name not in known:
        raise Failure(f'there is no child "{name}"{did_you_mean(name, sorted(known))}', USAGE)
    return children.get(name)


def _prospect(child: dict[str, Any] | None, status: dict[str, Any] | None, story: Story) -> Prospect:
    from supervisor.cli._prospect import Prospect, prospect_with_root, prospect_without_root

    if status is None:
        return prospect_without_root(story.standing)
    if child is None:
        return Prospect(what="nothing", within=None, words="nothing: the running tree has no such child")
    return prospect_with_root(child, status["root"]["state"])


def _last_lines(log_dir: Path, name: str, story: Story) -> list[Line]:
    """The last lines before the last end; those of a child that never ended, up to now."""
    from supervisor.logview import Filter, tail

    until = None if story.last_exit is None or story.lost_with_root else story.last_exit.at
    return tail(log_dir, (name,), Filter(until=until), _LOG_LINES)


def _show(answer: Answer, lines: list[Line], *, as_json: bool) -> None:
    from supervisor.cli._why import as_lines, as_object
    from supervisor.host.render import Renderer

    if as_json:
        log = [line.record for line in lines]
        click.echo(json.dumps(as_object(answer, log), ensure_ascii=False, default=str))
        return
    for text in as_lines(answer, datetime.now(UTC)):
        click.echo(text)
    if not lines:
        click.echo("its log is empty")
        return
    click.echo("its last lines before that:" if answer.story.last_exit else "its last lines:")
    coloured = not surroundings().environ.get("NO_COLOR") and os.isatty(1)
    renderer = Renderer(colour=coloured)
    for line in lines:
        click.echo(f"  {renderer.text(line.record)}")
