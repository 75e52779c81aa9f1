"""What two runs have on their books, and the difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import Raw

from protocol.codec import ACCOUNT, STRATEGY
from protocol.journal import open_readonly, read_records
from protocol.messages.trading import Fill, Order, OrderChanged, Signal
from workers.broker.store import digest

Keys = Counter[str]

TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "orders": ("broker", "SELECT client_order_id FROM orders"),
    "fills": ("broker", "SELECT fill_id FROM fills"),
    "ledger": ("broker", "SELECT kind || ' ' || reference || ' ' || amount FROM ledger"),
    "signals": ("strategy", "SELECT row || ' ' || action FROM signals"),
}


@dataclass(frozen=True)
class Books:
    """The digest, and by kind the keys of everything that must be there once."""

    digest: str
    keys: Mapping[str, Keys]


@dataclass(frozen=True)
class Difference:
    """How many entries of one kind the disturbed run lacks, and how many it has too often."""

    lost: int
    doubled: int


def read_books(state_dir: Path) -> Books:
    """Read the books of a run that has ended. Raises sqlite3.Error when they are not there."""
    data = state_dir / "data"
    keys = {kind: _column(data / f"{child}.db", query) for kind, (child, query) in TABLES.items()}
    keys |= {f"{kind} sent": found for kind, found in _sent(data).items()}
    with closing(open_readonly(data / "broker.db")) as books:
        return Books(digest(books), keys)


def compare(undisturbed: Books, disturbed: Books) -> dict[str, Difference]:
    """Return the differences by kind."""
    found = {}
    for kind, wanted in undisturbed.keys.items():
        got = disturbed.keys[kind]
        found[kind] = Difference((wanted - got).total(), (got - wanted).total())
    return found


def _column(path: Path, query: str) -> Keys:
    with closing(open_readonly(path)) as connection:
        return Counter(str(row[0]) for row in connection.execute(query))


def _sent(data: Path) -> dict[str, Keys]:
    """What the journals hold for their readers; not the horizons, whose number is a matter of timing."""
    sent: dict[str, Keys] = {
        "signals": Counter(),
        "orders": Counter(),
        "changes": Counter(),
        "fills": Counter(),
    }
    for body in _bodies(data / "strategy.db"):
        match STRATEGY.decode(body):
            case Signal() as signal:
                sent["signals"][f"{signal.row} {signal.action}"] += 1
            case Order() as order:
                sent["orders"][order.client_order_id] += 1
    for body in _bodies(data / "broker.db"):
        match ACCOUNT.decode(body):
            case OrderChanged() as change:
                sent["changes"][f"{change.client_order_id} {change.status}"] += 1
            case Fill() as fill:
                sent["fills"][fill.fill_id] += 1
    return sent


def _bodies(path: Path) -> list[Raw]:
    with closing(open_readonly(path)) as connection:
        return [record.body for record in read_records(connection, after=0, limit=100_000_000)]
