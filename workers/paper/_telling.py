"""What the commands that tell a broker something share: whom, written durably, and what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from protocol.errors import ProtocolError
from protocol.messages.instruction import Instruction
from workers.paper._databases import all_with, databases_with, opened, state_dir_of
from workers.paper._failure import FAILED, USAGE, Failure
from workers.paper._listing import state_dir_option

F = TypeVar("F", bound=Callable[..., Any])

ANSWER_S: Final = 3.0
"""How long a command waits for the broker's outcome; what is written is done in any case."""
LOOK_S: Final = 0.05
MANUAL: Final = "manual"
"""The strategy of orders by hand."""


def telling_options(function: F) -> F:
    """Add ``--broker``, ``--json``, ``--config`` and ``--state-dir``."""
    named = click.option("--broker", metavar="ID", help="Which broker, where the tree has several.")
    as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object.")
    return state_dir_option(as_json(named(function)))


def broker_of(state_dir: str | None, named: str | None, *, reads: bool = False) -> Path:
    """Return the database of the broker that is meant; fails in words when it is not clear.

    ``reads``: nothing is asked of it, so that with nothing running the one that ran last will do.
    """
    found = databases_with("ledger", state_dir_of(state_dir, sure=not reads), named)
    if len(found) > 1:
        raise Failure(f"say which with --broker: {', '.join(path.stem for path in found)}", USAGE)
    return found[0]


def known_strategy(books: Path, named: str) -> str:
    """Return the strategy named, which the broker may have heard of; fails with those that are known."""
    with opened(books) as connection:
        traded = {str(name) for (name,) in connection.execute("SELECT DISTINCT strategy FROM orders")}
    known = {MANUAL, *traded, *(path.stem for path in all_with("signals", books.parent.parent))} - {""}
    if named not in known:
        raise Failure(f"there is no strategy {named!r}: known are {', '.join(sorted(known))}", USAGE)
    return named


def tell(books: Path, instruction: Instruction, *, as_json: bool) -> None:
    """Write an instruction, wait a moment for its outcome, and print that. Exit 1 where it was denied."""
    from workers.shared.instructing import NoSuchBroker, instruct

    try:
        told = instruct(books.parent.parent, books.stem, instruction, "cli", time.time_ns() // 1_000_000)
    except (ProtocolError, NoSuchBroker) as error:
        raise Failure(str(error)) from error
    outcome = _outcome(books, told)
    if as_json:
        click.echo(json.dumps({"id": told, "broker": books.stem, "outcome": outcome, **_denial(outcome)}))
    else:
        waiting = "written; the broker will do it when it runs and hears its feed"
        click.echo(f"{books.stem}: {outcome or waiting}")
    if _denial(outcome)["code"] is not None:
        raise click.exceptions.Exit(FAILED)


def _denial(outcome: str | None) -> dict[str, str | None]:
    """Take the code and the sentence out of ``denied: code, detail``; None where nothing was denied."""
    denied, _, why = (outcome or "").partition(": ")
    code, _, detail = why.partition(", ") if denied == "denied" else ("", "", "")
    return {"code": code or None, "detail": detail or None}


def _outcome(books: Path, told: str) -> str | None:
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        with opened(books) as connection:
            found = connection.execute("SELECT outcome FROM instructions WHERE id = ?", (told,)).fetchone()
        if found is not None:
            return str(found[0])
        time.sleep(LOOK_S)
    return None
