"""What the listing commands share: options, JSON Lines, a plain table."""

from __future__ import annotations

import functools
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import click

from workers.paper._databases import Row, databases_with, rows, state_dir_of
from workers.paper._wanted import state_dir_in

F = TypeVar("F", bound=Callable[..., Any])


def state_dir_option(function: F) -> F:
    """Add ``--state-dir`` and ``--config``; the command is given ``state_dir``, of whichever was said."""

    @functools.wraps(function)
    def located(*, state_dir: str | None, config: str | None, **rest: Any) -> Any:
        return function(state_dir=state_dir or state_dir_in(config), **rest)

    by_tree = click.option(
        "--config",
        envvar="SUPERVISOR_CONFIG",
        metavar="FILE",
        help="The tree file whose state directory is meant, or a built-in tree: demo.",
    )
    by_name = click.option(
        "--state-dir",
        envvar="SUPERVISOR_STATE_DIR",
        metavar="DIR",
        help="Where the tree keeps its data; says which root is meant when several run.",
    )
    return cast(F, by_tree(by_name(located)))


def listing_options(function: F) -> F:
    """Add ``--json``, ``--config`` and ``--state-dir``."""
    as_json = click.option("--json", "as_json", is_flag=True, help="JSON Lines, amounts as decimal strings.")
    return state_dir_option(as_json(function))


def show(
    table: str,
    query: str,
    *,
    by: str,
    columns: tuple[str, ...],
    state_dir: str | None,
    as_json: bool,
    child: str | None = None,
    shape: Callable[[Row], Row] = lambda row: row,
    last: int | None = None,
) -> None:
    """Print the rows of all databases that have ``table``, or of one child's, oldest first by ``by``.

    ``last``: only so many of the newest.
    """
    paths = databases_with(table, state_dir_of(state_dir), child)
    wanted: Iterable[Row] = rows(query, paths, by=by)
    wanted = wanted if last is None else deque(wanted, maxlen=last)
    shaped = (_timed(shape(row)) for row in wanted)
    for line in _json_lines(shaped) if as_json else _table(shaped, columns):
        click.echo(line)


def _timed(row: Row) -> Row:
    """Add a readable time beside each ``..._ms``."""
    stamped = {key.removesuffix("_ms"): row[key] for key in row if key.endswith("_ms")}
    times = {name: None if at_ms is None else iso(at_ms) for name, at_ms in stamped.items()}
    return {**row, **times}


def iso(time_ms: int) -> str:
    """Write UTC milliseconds as ``2022-01-01T00:00:00.000Z``; as they are where no calendar goes so far."""
    try:
        time = datetime.fromtimestamp(time_ms / 1000, tz=UTC)
    except (ValueError, OverflowError):
        return f"{time_ms} ms"
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json_lines(shaped: Iterable[Row]) -> Iterator[str]:
    return (json.dumps(row) for row in shaped)


def _table(shaped: Iterable[Row], columns: tuple[str, ...]) -> Iterator[str]:
    cells = [columns, *(tuple(_cell(row[column]) for column in columns) for row in shaped)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
