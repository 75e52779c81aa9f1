"""``paper backup``."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import click

from protocol.journal import open_readonly
from workers.paper._failure import USAGE, Failure
from workers.paper._listing import state_dir_option
from workers.paper._telling import broker_of

PAGES_AT_A_TIME = 1000


@click.command("backup")
@click.argument("file", metavar="FILE")
@click.option("--broker", metavar="ID", help="Which broker's books, where the tree has several.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@state_dir_option
def command(file: str, broker: str | None, force: bool, state_dir: str | None) -> None:
    """Copy the broker's books to FILE while it trades: one moment of them, whole.

    To go back to it: stop the tree, put the copy in the place of data/broker.db in the state directory,
    remove data/broker.db-wal and data/broker.db-shm, and begin with fresh databases of the other workers.

    \b
    Example:
      paper backup /var/backups/broker.db --force
    """
    books = broker_of(state_dir, broker, reads=True)
    target = Path(file).expanduser()
    if not target.name:
        raise Failure(f"{file!r} is no name of a file", USAGE)
    draft = target.with_name(f"{target.name}.new")
    try:
        if target.exists() and not force:
            raise Failure(f"{file} is there already; name another file, or say --force", USAGE)
        draft.write_bytes(b"")
        _copy(books, draft)
        draft.rename(target)
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise Failure(f"{books} cannot be copied to {file}: {error}") from error
    finally:
        with suppress(OSError):  # where it could not be written either
            draft.unlink(missing_ok=True)
    click.echo(f"{file}: the books of {books.stem}, {target.stat().st_size} bytes, checked")


def _copy(books: Path, draft: Path) -> None:
    with closing(open_readonly(books)) as source, closing(sqlite3.connect(draft)) as copy:
        source.backup(copy, pages=PAGES_AT_A_TIME)
        # One file, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged: {verdict}")
