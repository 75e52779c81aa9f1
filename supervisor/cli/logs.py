"""``supervisor logs [NAME...]``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from supervisor.cli._failure import USAGE, Failure
from supervisor.cli._options import known_state_dir, tree_options
from supervisor.cli._surroundings import surroundings
from supervisor.config.durations import DURATION_FORM, parse_duration
from supervisor.config.suggest import did_you_mean

if TYPE_CHECKING:
    from supervisor.logview import Filter, Line

_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
_DEFAULT_LINES: Final = 50
_POLL: Final = 0.2
"""Seconds between two looks at the files: soon enough for eyes, and no load."""


class Moment(click.ParamType[str]):
    """A point in time: ``10m`` (ago), or ISO 8601, local where it has no offset. As stored lines have it."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it in the form of log lines; fails with what is allowed."""
        try:
            return _as_stored(str(value))
        except (ValueError, OverflowError):
            self.fail(f"found {value!r}, allowed is {DURATION_FORM} ago, or an ISO 8601 time", param, ctx)


def _as_stored(value: str) -> str:
    try:
        at = datetime.now(UTC) - timedelta(seconds=parse_duration(value))
    except ValueError:
        at = datetime.fromisoformat(value).astimezone(UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Pattern(click.ParamType[re.Pattern[str]]):
    """A regular expression."""

    name = "pattern"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> re.Pattern[str]:
        """Compile it; fails with what is wrong."""
        try:
            return re.compile(value)
        except re.error as error:
            self.fail(f"found {value!r}, which is no regular expression: {error}", param, ctx)


@click.command("logs", short_help="Show logs, of all or of some children.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl+C.")
@click.option(
    "-n", "count", type=click.IntRange(min=0), metavar="N",
    help=f"The last N lines (default {_DEFAULT_LINES}; all with --since).",
)  # fmt: skip
@click.option("--since", type=Moment(), metavar="WHEN", help='"10m" (ago), or an ISO 8601 time.')
@click.option("--level", type=click.Choice(_LEVELS, case_sensitive=False), help="This level and above.")
@click.option("--grep", type=Pattern(), metavar="REGEX", help="Lines whose readable text matches.")
@click.option("--json", "as_json", is_flag=True, help="The stored JSON lines as they are.")
@tree_options
def command(
    *, names: tuple[str, ...], follow: bool, count: int | None, since: str | None, level: str | None,
    grep: re.Pattern[str] | None, as_json: bool, config: str | None, state_dir: str | None,
) -> None:  # fmt: skip
    """Show the logs of children, of `root` itself, or of all when none is named, in time order.

    Works on the files, so also when no root runs; follows over rotation.

    \b
    Examples:
      supervisor logs feed -f
      supervisor logs feed strategy --since 10m --level WARNING
      supervisor logs --grep 'order filled' -n 5 --json
    """
    from supervisor.logview import Filter

    log_dir = known_state_dir(config, state_dir) / "log"
    wanted = Filter(since=since, level=level, grep=grep)
    if count is None and since is None:
        count = _DEFAULT_LINES
    try:
        _show(log_dir, _checked(log_dir, names), wanted, count, follow=follow, as_json=as_json)
    except (KeyboardInterrupt, BrokenPipeError):
        # The usual ways to end it (`| head`), hence no failure.
        return


def _checked(log_dir: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    from supervisor.logview import SYSTEM, processes

    known = processes(log_dir)
    if not known:
        raise Failure(f"there are no logs in {log_dir}")
    for name in names:
        if name not in known:
            raise Failure(f'there is no log of "{name}"{did_you_mean(name, known)} in {log_dir}', USAGE)
    return tuple(dict.fromkeys(names)) or (SYSTEM,)


def _show(
    log_dir: Path, names: tuple[str, ...], wanted: Filter, count: int | None, *, follow: bool, as_json: bool
) -> None:
    from supervisor.logview import Follower, tail

    printer = _Printer(as_json=as_json)
    if not follow:
        printer.lines(tail(log_dir, names, wanted, count))
        return
    with closing(Follower(log_dir, names, wanted)) as follower:
        shown = tail(log_dir, names, wanted, count)
        printer.lines(shown)
        # What came between the two openings was read by both.
        twice = {line.raw for line in shown}
        printer.lines(line for line in follower.poll() if line.raw not in twice)
        while True:
            surroundings().wait(_POLL)
            printer.lines(follower.poll())


class _Printer:
    def __init__(self, *, as_json: bool) -> None:
        from supervisor.host.render import Renderer

        coloured = not surroundings().environ.get("NO_COLOR") and os.isatty(1)
        self._as_json, self._renderer = as_json, Renderer(colour=coloured)

    def lines(self, lines: Iterable[Line]) -> None:
        for line in lines:
            click.echo(line.raw if self._as_json else self._renderer.text(line.record))
