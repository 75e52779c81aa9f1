"""Finding and reading the workers' databases. Nothing here writes."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click

from protocol.errors import NoRoot, PlaceError, SeveralRoots
from protocol.journal import open_readonly
from protocol.places import find_root, left_state_dirs
from workers.paper._failure import FAILED, USAGE, Failure

Row = dict[str, Any]


def state_dir_of(named: str | None, *, sure: bool = False) -> Path:
    """Return the state directory meant; fails in words when there is none, or it is not clear which.

    With nothing named and no root running it is that of the root that ended last, and stderr says so;
    ``sure``: then only where there is no other.
    """
    if named:
        return Path(named).expanduser()
    try:
        return Path(find_root(None).state_dir)
    except NoRoot as error:
        return _left(error, sure=sure)
    except PlaceError as error:
        raise Failure(str(error), USAGE if isinstance(error, SeveralRoots) else FAILED) from error


def _left(error: NoRoot, *, sure: bool) -> Path:
    left = [entry.state_dir for entry in left_state_dirs()]
    if not left:
        raise Failure(str(error)) from error
    if sure and len(left) > 1:
        raise Failure(
            "no root is running, and several ran before: say with --state-dir whose broker is meant:"
            f" {', '.join(left)}",
            USAGE,
        ) from error
    click.echo(f"paper: no root is running; this is about the one that ended last, on {left[0]}", err=True)
    return Path(left[0])


def databases_with(table: str, state_dir: Path, child: str | None = None) -> list[Path]:
    """Return the databases that have ``table``, of all children or of one; fails in words when there is none.

    One that cannot be read is passed over with a warning: it may be another worker's.
    """
    found = all_with(table, state_dir, child)
    if not found:
        who = "no worker" if child is None else f"no worker {child!r}"
        raise Failure(
            f"{state_dir / 'data'}: {who} has kept any {table} there; start the tree first"
            " (supervisor start), or name another state directory with --state-dir"
        )
    return found


def all_with(table: str, state_dir: Path, child: str | None = None) -> list[Path]:
    """Return the databases that have ``table``, of all children or of one; there may be none."""
    candidates = sorted((state_dir / "data").glob("*.db"))
    return [path for path in candidates if child in (None, path.stem) and _has(table, path)]


def rows(query: str, paths: list[Path], *, by: str) -> Iterator[Row]:
    """Yield the rows of ``query`` from all databases, in the order of column ``by``, which each must have."""
    yield from heapq.merge(*(_rows(query, path) for path in paths), key=lambda row: row[by])


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading one state of it; what SQLite says becomes a sentence."""
    try:
        with closing(open_readonly(path)) as connection:
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        raise Failure(f"{path} cannot be read: {error}") from error


def _rows(query: str, path: Path) -> Iterator[Row]:
    with opened(path) as connection:
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))


def _has(table: str, path: Path) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
    try:
        with opened(path) as connection:
            return bool(connection.execute(query, (table,)).fetchone()[0])
    except Failure as failure:
        click.echo(f"paper: passed over: {failure.message}", err=True)
        return False
