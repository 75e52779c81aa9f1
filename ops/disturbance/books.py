"""What two runs have on their books, and the difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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

TABLES: Final[Mapping[str, str]] = {
    "orders": "SELECT client_order_id FROM orders",
    "fills": "SELECT fill_id FROM fills",
    "ledger": "SELECT kind || ' ' || reference || ' ' || amount FROM ledger",
}
SIGNALS: Final = "SELECT row || ' ' || action FROM signals"


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


def read_books(state_dir: Path, strategies: Sequence[str] = ("strategy",)) -> Books:
    """Read the books of a run that has ended. Raises sqlite3.Error when they are not there."""
    data = state_dir / "data"
    keys = {kind: _column(data / "broker.db", query) for kind, query in TABLES.items()}
    keys["signals"] = Counter()
    for name in strategies:
        keys["signals"] += _named(name, _column(data / f"{name}.db", SIGNALS))
    keys |= {f"{kind} sent": found for kind, found in _sent(data, strategies).items()}
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


def _named(strategy: str, keys: Keys) -> Keys:
    return Counter({f"{strategy} {key}": count for key, count in keys.items()})


def _sent(data: Path, strategies: Sequence[str]) -> dict[str, Keys]:
    """What the journals hold for their readers; not the horizons, whose number is a matter of timing."""
    sent: dict[str, Keys] = {
        "signals": Counter(),
        "orders": Counter(),
        "changes": Counter(),
        "fills": Counter(),
    }
    for name in strategies:
        _add_decisions(sent, name, _bodies(data / f"{name}.db"))
    for body in _bodies(data / "broker.db"):
        match ACCOUNT.decode(body):
            case OrderChanged() as change:
                sent["changes"][f"{change.client_order_id} {change.status}"] += 1
            case Fill() as fill:
                sent["fills"][fill.fill_id] += 1
    return sent


def _add_decisions(sent: dict[str, Keys], strategy: str, bodies: Sequence[Raw]) -> None:
    for body in bodies:
        match STRATEGY.decode(body):
            case Signal() as signal:
                sent["signals"][f"{strategy} {signal.row} {signal.action}"] += 1
            case Order() as order:
                sent["orders"][order.client_order_id] += 1


def _bodies(path: Path) -> list[Raw]:
    with closing(open_readonly(path)) as connection:
        return [record.body for record in read_records(connection, after=0, limit=100_000_000)]
