"""What holds for every sequence of prices, orders, waits and kills in tick mode."""

from __future__ import annotations

from decimal import Decimal, localcontext
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.trading import AtPrice, Away, Bracket, Cancel, Fill, Quantity, WholePosition
from tests.workers.broker.bench import D
from tests.workers.broker.pit import T0, Live
from workers.broker.latency import LEAST_MS
from workers.broker.matching import Terms
from workers.broker.money import EXACT
from workers.broker.state import BrokerState

STEPS = 60
TERMS = Terms(slippage_bps=D(3))


class Play:
    """A live market driven by chance. Each step's fills are looked at before the next."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.live = Live(terms=TERMS, contract=self.chance.choice(["spot", "linear"]))
        self.middle, self.now, self.count = 1000, 0, 0
        self.stops: dict[str, Decimal] = {}

    @property
    def state(self) -> BrokerState:
        """The state of the core."""
        found: BrokerState = self.live.core._state
        return found

    def step(self) -> None:
        """Do one thing, and look at what came of it."""
        self.now += self.chance.choice([1, 50, 400, 400, 3_000, 7_000])
        before = len(self.live.bench.fills)
        do = self.chance.choice([self.quote, self.quote, self.trade, self.order, self.wait, self.kill])
        most = do()
        self.look(self.live.bench.fills[before:], most)

    def quote(self) -> Decimal | None:
        """Move the market."""
        self.middle += self.chance.randint(-12, 12)
        size = self.chance.choice(["0.1", "1", "50"])
        bid, ask = (str(D(self.middle + away) / 10) for away in (-1, 1))
        self.live.quote(bid, ask, size, now=self.now, age=self.chance.choice([0, 0, 0, 6_000]))
        return None

    def trade(self) -> Decimal:
        """Print; what limits get of it together is no more than its amount."""
        amount = self.chance.choice(["0.3", "2"])
        price = str(D(self.middle + self.chance.randint(-30, 30)) / 10)
        self.live.trade(price, amount, self.chance.choice(["buy", "sell"]), now=self.now)
        return D(amount)

    def order(self) -> Decimal:
        """Send an order or a cancel: what is sent now fills by nothing that is here already."""
        self.live.now = self.now
        if self.chance.random() < 0.2 and self.state.working:
            target = self.chance.choice(list(self.state.working))
            wish = Cancel(
                client_order_id=f"c{self.now}",
                strategy="s",
                row=self.state.handled,
                leg=0,
                target=target,
                decided_ms=T0 + self.now,
            )
            self.live.send(wish)
        else:
            self.count += 1
            self.live.order(self.chance.choice(["buy", "sell"]), name=f"o{self.count}", **self._how())
        return D(0)

    def _how(self) -> dict[str, Any]:
        near = D(self.middle + self.chance.randint(-20, 20)) / 10
        kinds: list[dict[str, Any]] = [
            {},
            {"kind": "limit", "limit": near},
            {"kind": "limit", "limit": near, "time_in_force": "ioc"},
            {"kind": "stop", "stop": near},
            {"kind": "stop_limit", "stop": near, "limit": near},
            {"kind": "trailing", "trail": AtPrice(D(1))},
            {"size": WholePosition(), "reduce_only": True},
        ]
        how = self.chance.choice(kinds)
        if "size" in how:
            return how
        bracket = Bracket(stop=Away(D("0.01")), target=Away(D("0.01")), trail=Away(D("0.02")))
        size = Quantity(D(self.chance.randint(1, 30)) / 10)
        return {**how, "size": size, "bracket": self.chance.choice([None, bracket])}

    def wait(self) -> Decimal:
        """Let time pass: it is no evidence of a price."""
        self.live.at(self.now)
        return D(0)

    def kill(self) -> Decimal:
        """Begin a new life from the disk."""
        self.live.now = self.now
        self.live.revive()
        return D(0)

    def look(self, fills: list[Fill], most: Decimal | None) -> None:
        """Check what must hold after each step."""
        if most is not None:
            assert sum((fill.quantity for fill in fills), D(0)) <= most
        for name, order in self.state.working.items():
            if order.kind == "trailing" and order.stop is not None:
                tight = max if order.side == "sell" else min
                assert order.stop == tight(order.stop, self.stops.get(name, order.stop))
                self.stops[name] = order.stop
        assert len({fill.fill_id for fill in self.live.bench.fills}) == len(self.live.bench.fills)
        self.state.books.check()


@pytest.mark.req("B2")
@pytest.mark.req("B4")
@settings(max_examples=40)
@given(st.integers(0, 2**48))
def test_whatever_comes_nothing_fills_without_evidence_and_the_books_balance(seed: int) -> None:
    """Time, orders and kills fill nothing, a trade no more than its amount; stops never loosen."""
    play = Play(seed)
    for _ in range(STEPS):
        play.step()
    sent_at: Any = play.live.bench.rows("SELECT client_order_id, decided_ms FROM orders")
    accepted = dict(sent_at)
    cash, held = play.live.bench.cash, D(0)
    with localcontext(EXACT):
        for fill in play.live.bench.fills:
            signed = fill.quantity if fill.side == "buy" else -fill.quantity
            cash -= signed * fill.price + fill.fee
            held += signed
            assert held == fill.position
            sent: Any = accepted[fill.client_order_id]
            assert fill.reason in ("stop", "target", "trailing") or fill.at_ms >= sent + LEAST_MS
        marks = play.state.marks
        assert cash + held * next(iter(marks.values()), D(0)) == play.state.books.equity(marks)
    assert play.state.errors == 0, play.state.last_error
