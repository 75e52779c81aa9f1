"""A broker core on a workbench: streams in any batches, kills between steps, a real database behind it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import structs

from protocol.codec import MARKET, STRATEGY
from protocol.messages.market import Candle, Instrument, MarginTier, MarketRecord
from protocol.messages.stream import MarketRole, OrdersRole, Record, Role
from protocol.messages.trading import (
    Cancel,
    EquityFraction,
    Fill,
    Order,
    OrderChanged,
    Quantity,
    Side,
    Size,
    StrategyRecord,
    Through,
)
from workers.broker.breakers import OFF, Limits
from workers.broker.core import BrokerCore
from workers.broker.funding import Due, FundingSchedule
from workers.broker.matching import Terms
from workers.broker.office import OpenVenue
from workers.broker.paper_venue import paper
from workers.broker.rules import Rules
from workers.broker.state import restore
from workers.broker.store import KEEP_HISTORY, TABLES, digest
from workers.shared.core import Step

MINUTE = 60_000
BTC = "BTC/USDT"
D = Decimal
CASH = D(10000)
TERMS = Terms()
FREE = Terms(taker=D(0), maker=D(0), slippage_bps=D(0))
TEN_TIMES = structs.replace(FREE, leverage=D(10))
ONE = Quantity(D(1))
COARSE = Instrument(tick=D("0.5"), step=D("0.1"), contract="linear")
TIERED = structs.replace(COARSE, tick=D("0.1"), tiers=(MarginTier(D(10**6), D(10), D("0.005")),))


def candle(row: int, opening: str, close: str | None = None) -> Candle:
    """Return a candle of row ``row`` (from 1) that opens and closes at these prices."""
    first, last = D(opening), D(close or opening)
    return Candle(
        symbol=BTC,
        timeframe="1m",
        open_ms=(row - 1) * MINUTE,
        close_ms=row * MINUTE,
        open=first,
        high=max(first, last),
        low=min(first, last),
        close=last,
        volume=D(1),
    )


def bar(row: int, opening: str, high: str, low: str, close: str, volume: str = "1000") -> Candle:
    """Return a candle of row ``row`` with all four prices."""
    flat = candle(row, opening, close)
    return structs.replace(flat, high=D(high), low=D(low), volume=D(volume))


def order(
    row: int,
    side: Side = "buy",
    size: Size | None = None,
    *,
    leg: int = 0,
    strategy: str = "s",
    name: str | None = None,
    reduce_only: bool = False,
    symbol: str = BTC,
    **how: Any,
) -> Order:
    """Return an order decided on the close of ``row``: at the market, unless ``how`` says otherwise."""
    return Order(
        client_order_id=name or f"{strategy}-{row}-{leg}",
        strategy=strategy,
        symbol=symbol,
        row=row,
        leg=leg,
        decided_ms=row * MINUTE,
        side=side,
        size=size or EquityFraction(D("0.1")),
        reduce_only=reduce_only,
        **how,
    )


def cancel(row: int, target: str, replacement: Order | None = None) -> Cancel:
    """Take an order back on the close of ``row``."""
    return Cancel(
        client_order_id=f"c-{row}",
        strategy="s",
        row=row,
        leg=9,
        target=target,
        decided_ms=row * MINUTE,
        replacement=replacement,
    )


def traded(market: Sequence[MarketRecord], *said: StrategyRecord, **how: Any) -> Bench:
    """Run a market with what one strategy says, without costs; it is through all rows."""
    how = {"terms": FREE, "instrument": COARSE, **how}
    wishes = sorted(said, key=lambda wish: wish.row)
    return Bench(market, {"s": [*wishes, Through(len(market))]}, **how).run()


@dataclass
class Bench:
    """One broker, its inputs and its disk. ``steps`` are those committed since the bench was made."""

    market: Sequence[MarketRecord]
    strategies: dict[str, list[StrategyRecord]]
    contract: str = "spot"
    cash: Decimal = CASH
    terms: Terms = TERMS
    instrument: Instrument | None = None
    lockstep: bool = True
    listens: bool = False
    dry_run: bool = False
    limits: Limits = OFF
    funding: Sequence[Due] = ()
    on_shutdown: Literal["keep", "cancel", "close"] = "keep"
    venue: OpenVenue | None = None
    keep_history: int = KEEP_HISTORY
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.disk = sqlite3.connect(":memory:", isolation_level=None)
        for table in TABLES:
            self.disk.execute(table)
        self.state: bytes | None = None
        self.cursors = dict.fromkeys(["feed", *self.strategies], 0)
        self.revive()

    def __del__(self) -> None:
        """Close the disk."""
        self.disk.close()

    @property
    def outputs(self) -> list[msgspec.Struct]:
        """Everything published."""
        return [output for step in self.steps for output in step.outputs]

    @property
    def fills(self) -> list[Fill]:
        """The fills published."""
        return [output for output in self.outputs if isinstance(output, Fill)]

    @property
    def denials(self) -> list[str | None]:
        """The codes of the orders denied."""
        return [o.code for o in self.outputs if isinstance(o, OrderChanged) and o.status == "denied"]

    def roles(self) -> dict[str, Role]:
        """What each input is."""
        rules = self.instrument or Instrument(contract=self.contract)  # type: ignore[arg-type]
        market = MarketRole(symbol=BTC, timeframe="1m", instrument=rules, lockstep=self.lockstep)
        listens = self.listens
        return {"feed": market, **{s: OrdersRole(strategy=s, listens=listens) for s in self.strategies}}

    def revive(self) -> None:
        """Begin a new life from what is on disk."""
        state = restore(self.state, self.cash)
        rules = Rules(
            terms=self.terms,
            limits=self.limits,
            dry_run=self.dry_run,
            on_shutdown=self.on_shutdown,
            keep_history=self.keep_history,
            venue=self.venue or paper(FundingSchedule(self.funding)),
        )
        self.core = BrokerCore(["feed", *self.strategies], state, rules)
        self.received = dict(self.cursors)
        for source, role in self.roles().items():
            self.core.introduce(source, role)

    def deliver(self, source: str, limit: int) -> None:
        """Hand over up to ``limit`` of the records that come next."""
        after = self.received[source]
        count = min(limit, self.core.room(source))
        fresh = self._bodies(source)[after : after + count]
        records = [Record(after + nth, 0, body) for nth, body in enumerate(fresh, 1)]
        self.core.receive(source, records)
        self.received[source] += len(records)

    def turn(self) -> bool:
        """Take one step and commit it; False when there was none."""
        return self._commit(self.core.step())

    def stop(self) -> None:
        """End in order: the last step is committed."""
        self._commit(self.core.close())

    def _commit(self, step: Step | None) -> bool:
        if step is None:
            return False
        for write in step.writes:
            self.disk.execute(write.sql, write.parameters)
        self.state = step.state or self.state
        self.cursors.update(step.cursors)
        self.steps.append(step)
        return True

    def run(self) -> Bench:
        """Deliver and step until nothing moves any more."""
        moved = True
        while moved:
            before = dict(self.received)
            for source in self.received:
                self.deliver(source, 10_000)
            moved = self.turn() or before != self.received
        return self

    def digest(self) -> str:
        """Return the fingerprint of the ledger."""
        return digest(self.disk)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Read from the disk."""
        return self.disk.execute(query).fetchall()

    def _bodies(self, source: str) -> list[msgspec.Raw]:
        if source == "feed":
            return [MARKET.encode(message) for message in self.market]
        return [STRATEGY.encode(message) for message in self.strategies[source]]


def filled(bench: Bench) -> list[tuple[str, int, Decimal, Decimal]]:
    """Return who filled in which row, at what price and how much."""
    return [(f.client_order_id, f.row, f.price, f.quantity) for f in bench.fills]


def statuses(bench: Bench) -> dict[object, object]:
    """Return the present state of each order, by id."""
    return dict(bench.rows("SELECT client_order_id, status FROM orders"))  # type: ignore[arg-type]
