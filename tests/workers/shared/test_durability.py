"""What a commit survives follows from the markets that a worker reads, unless its section says it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.codec import MARKET
from protocol.journal import Durability
from protocol.messages.market import Instrument
from protocol.messages.stream import AccountRole, MarketRole, OrdersRole, Role
from tests.workers.shared.puppets import Recorder
from tests.workers.shared.world import World, world
from workers.shared.worker import Context, Worker

RECORDED = MarketRole(symbol="BTC", timeframe="1m", instrument=Instrument(), lockstep=True)
LIVE = MarketRole(symbol="ETH", timeframe="1m", instrument=Instrument(), lockstep=False)
NAMES: dict[int, Durability] = {1: "process", 2: "power"}


def told_by(role: Role) -> Callable[[Context], Worker]:
    """Return a build of a producer that says this of itself."""
    return lambda context: Worker(
        core=Recorder(), journal=context.open_journal(), role=role, encode=MARKET.encode
    )


def reader(inputs: tuple[str, ...], durability: Durability | None) -> Callable[[Context], Worker]:
    """Return a build of a consumer with this durability."""

    def build(context: Context) -> Worker:
        journal = context.open_journal(durability=durability)
        return Worker(core=Recorder(), journal=journal, inputs=inputs, role=AccountRole())

    return build


def durability(made: World) -> Durability:
    """Return what the reader's journal is set to now."""
    process = made.children["reader"].process
    assert process is not None
    return NAMES[process.worker.journal.connection.execute("PRAGMA synchronous").fetchone()[0]]


@pytest.mark.req("B5")
@pytest.mark.parametrize(
    ("roles", "chosen", "expected"),
    [
        ((RECORDED,), None, "process"),
        ((LIVE,), None, "power"),
        ((RECORDED, OrdersRole(strategy="s")), None, "process"),
        ((RECORDED, LIVE), None, "power"),
        ((LIVE, RECORDED), None, "power"),
        ((RECORDED,), "power", "power"),
        ((LIVE,), "process", "process"),
    ],
)
def test_durability_follows_the_markets(
    tmp_path: Path, roles: tuple[Role, ...], chosen: Durability | None, expected: Durability
) -> None:
    """Never weaker than needed before all inputs are known, nor after."""
    names = tuple(f"input{nth}" for nth, _ in enumerate(roles))
    with world(tmp_path) as made:
        made.add("reader", reader(names, chosen))
        made.start("reader")
        for name, role in zip(names, roles, strict=True):
            assert durability(made) == (chosen or "power")
            made.add(name, told_by(role))
            made.start(name)
            made.run(1.0)
        assert durability(made) == expected
