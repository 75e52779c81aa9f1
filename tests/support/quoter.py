"""A live market of one price, which a test writes into a file: the bid is that, the ask a tick more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from protocol.codec import MARKET
from protocol.messages.control import Launch
from protocol.messages.market import Instrument
from protocol.messages.stream import MarketRole, Record, Role
from protocol.messages.tick import Quote
from workers.shared.config import WorkerConfig
from workers.shared.core import Step
from workers.shared.process import run
from workers.shared.worker import Context, Worker

SYMBOL = "COIN/USDT"
TICK = Decimal("0.1")
EVERY_S = 0.05


class QuoterConfig(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``file`` has the price, in plain digits."""

    file: str


class Quoter:
    """Tells a quote each time it is asked to."""

    def __init__(self) -> None:
        self.bid: Decimal | None = None

    def introduce(self, source: str, role: Role) -> None:
        """It listens to nobody."""

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """It listens to nobody."""

    def room(self, source: str) -> int:
        """It listens to nobody."""
        return 0

    def step(self) -> Step | None:
        """Tell the price once."""
        bid, self.bid = self.bid, None
        if bid is None:
            return None
        now = time.time_ns() // 1_000_000
        size = Decimal(1000)
        quote = Quote(
            symbol=SYMBOL, bid=bid, bid_size=size, ask=bid + TICK, ask_size=size, at_ms=now, received_ms=now
        )
        return Step(ticks=(quote,))

    @property
    def waiting_for(self) -> str | None:
        """Nobody."""
        return None

    def counters(self) -> dict[str, int | str | None]:
        """Nothing is counted."""
        return {}

    async def serve(self, file: Path, wake: Callable[[], None]) -> None:
        """Look at the file again and again until cancelled."""
        while True:
            self.bid = _price(file)
            wake()
            await asyncio.sleep(EVERY_S)


def _price(file: Path) -> Decimal:
    return Decimal(file.read_text())


def build(context: Context) -> Worker:
    """Put the worker together."""
    core, file = Quoter(), Path(context.config(QuoterConfig).file)
    return Worker(
        core=core,
        journal=context.open_journal(durability="process"),
        role=MarketRole(symbol=SYMBOL, timeframe="1m", instrument=Instrument(tick=TICK), lockstep=False),
        encode=MARKET.encode,
        services=(lambda wake: core.serve(file, wake),),
    )


def main(launch: Launch) -> int:
    """Run until told to stop."""
    return run(launch, build)


def say(file: Path, bid: Decimal | int) -> None:
    """Write the price, whole or not at all."""
    new = file.with_suffix(".new")
    new.write_text(str(bid))
    new.replace(file)
