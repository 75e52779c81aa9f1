"""A live market on the bench: quotes, trades and marks by hand, and time that is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from protocol.messages.market import Candle, Instrument
from protocol.messages.tick import Mark, MarketState, Quote, Trade
from protocol.messages.trading import AtPrice, Bracket, Order
from tests.workers.broker.bench import BTC, FREE, ONE, Bench, D, order
from workers.broker.matching import Terms

T0 = 1_700_000_000_000 // 60_000 * 60_000
"""A full minute, as live data has it."""
LONG = Bracket(stop=AtPrice(D(95)), target=AtPrice(D(110)))
ARRIVED = 400
"""An order sent at 0 has reached the market by then."""


class Live:
    """A broker in a live market. ``now`` is milliseconds after ``T0``."""

    def __init__(self, *, terms: Terms = FREE, contract: str = "linear", **how: Any) -> None:
        rules = Instrument(tick=D("0.1"), step=D("0.1"), contract=contract)  # type: ignore[arg-type]
        instrument = how.pop("instrument", rules)
        self.bench = Bench([], {"s": []}, lockstep=False, terms=terms, instrument=instrument, **how)
        self.now = 0
        self.at(0)

    @property
    def core(self) -> Any:
        """The core under test."""
        return self.bench.core

    def at(self, now: int) -> Live:
        """Let the clock show ``now`` and take what steps there are."""
        self.now = now
        self.core.advance(now / 1000, T0 + now)
        while self.bench.turn():
            pass
        return self

    def quote(self, bid: str, ask: str, size: str = "100", *, now: int, age: int = 0) -> Live:
        """Tell a quote at ``now``; the venue made it ``age`` milliseconds before."""
        received = T0 + now
        self.core.tick(
            "feed",
            Quote(
                symbol=BTC,
                bid=D(bid),
                bid_size=D(size),
                ask=D(ask),
                ask_size=D(size),
                at_ms=received - age,
                received_ms=received,
            ),
        )
        return self.at(now)

    def trade(self, price: str, amount: str, side: Any, *, now: int) -> Live:
        """Tell a trade at ``now``."""
        at = T0 + now
        self.core.tick(
            "feed",
            Trade(
                symbol=BTC,
                trade_id=str(now),
                price=D(price),
                amount=D(amount),
                side=side,
                at_ms=at,
                received_ms=at,
            ),
        )
        return self.at(now)

    def mark(self, price: str, *, now: int, next_funding: int | None = None) -> Live:
        """Tell a mark price at ``now``; ``next_funding`` is milliseconds after ``T0``."""
        at = T0 + now
        due = None if next_funding is None else T0 + next_funding
        self.core.tick("feed", Mark(symbol=BTC, mark=D(price), at_ms=at, received_ms=at, next_funding_ms=due))
        return self.at(now)

    def state(self, now: int, **facts: Any) -> Live:
        """Tell what the feed thinks of itself."""
        self.core.tick("feed", MarketState(symbol=BTC, at_ms=T0 + now, **facts))
        return self.at(now)

    def order(self, side: Any = "buy", size: Any = ONE, *, name: str, **how: Any) -> Order:
        """Send an order now."""
        sent = order(self.bench.core._state.handled, side, size, name=name, **how)
        wish = replace(sent, decided_ms=T0 + self.now)
        self.send(wish)
        return wish

    def send(self, wish: Any) -> Live:
        """Send what a strategy says now."""
        self.bench.strategies["s"].append(wish)
        self.bench.deliver("s", 10)
        return self.at(self.now)

    def candle(
        self, minute: int, opening: str, high: str, low: str, close: str, *, backfilled: bool = False
    ) -> Live:
        """Deliver the candle of a minute after ``T0`` (0 is the first)."""
        made = Candle(
            symbol=BTC,
            timeframe="1m",
            open_ms=T0 + minute * 60_000,
            close_ms=T0 + (minute + 1) * 60_000,
            open=D(opening),
            high=D(high),
            low=D(low),
            close=D(close),
            volume=D(1000),
            backfilled=backfilled,
        )
        self.bench.market = [*self.bench.market, made]
        self.bench.deliver("feed", 10)
        return self.at(self.now)

    def revive(self) -> Live:
        """Kill the broker and start it again."""
        self.bench.revive()
        return self.at(self.now)

    @property
    def filled(self) -> list[tuple[str, Decimal, Decimal]]:
        """Who filled, at what price and how much."""
        return [(fill.client_order_id, fill.price, fill.quantity) for fill in self.bench.fills]

    def statuses(self) -> dict[Any, Any]:
        """The present state of each order."""
        return dict(self.bench.rows("SELECT client_order_id, status FROM orders"))  # type: ignore[arg-type]


def fresh(**how: Any) -> Live:
    """Give a market with a quote of 100 to 100.1."""
    return Live(**how).quote("100", "100.1", now=0)


def held(bracket: Bracket | None = None, **how: Any) -> Live:
    """Give a market in which one was bought at 100.1."""
    live = fresh(**how)
    live.order(name="in", bracket=bracket)
    return live.quote("100", "100.1", now=ARRIVED)
