"""A place outside, in memory: an exchange with its own account, the half of its backend that is in the core,
and the courier between the two, who sends what is on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from msgspec.structs import replace

from protocol.messages.market import Candle, MarketRecord
from protocol.messages.tick import Tick
from protocol.messages.trading import Cancel
from tests.workers.broker.bench import BTC, CASH
from tests.workers.broker.pit import T0, Live
from workers.broker.money import ZERO
from workers.broker.office import Office
from workers.broker.orders import Happened, OrderState, WorkingOrder
from workers.broker.state import restore
from workers.broker.venue import Accepted, Answer, Ended, Executed, Rejected, Standing, Triggered

FEE = Decimal("0.25")
"""What each execution costs there, whatever our terms say."""


class OutsideVenue:
    """The half of a backend that lives in the core: it notes what is wanted, and fills nothing itself."""

    outside = True

    def __init__(self, office: Office) -> None:
        self._clerk, self._marker, self._risk = office.clerk, office.marker, office.risk

    def submit(self, order: WorkingOrder, *, travels: bool) -> WorkingOrder:
        """It stays submitted until the exchange answers."""
        return order

    def replace(self, order: WorkingOrder) -> None:
        """Keep what is wanted; the courier sees that the exchange has it otherwise."""
        self._clerk.keep(order)

    def cancel(self, order: WorkingOrder, code: str | None = None, asked: Cancel | None = None) -> None:
        """Pending until the exchange answers."""
        if order.state is OrderState.PENDING_CANCEL:
            return
        pending = replace(
            order.after(Happened.CANCEL_ASKED), replacement=asked.replacement if asked else None
        )
        self._clerk.keep(pending, code)
        self._clerk.announce(pending, code)

    def row(self, message: MarketRecord) -> None:
        """A candle is a mark and nothing else."""
        if isinstance(message, Candle):
            self._marker.candle(message)
            self._risk.mark()

    def tick(self, tick: Tick, now_ms: int) -> None:
        """The exchange has seen it itself."""

    def advance(self, now_ms: int) -> None:
        """Nothing here expires."""

    def next_ms(self) -> int | None:
        """Never."""
        return None

    def hurry(self, order: WorkingOrder, now_ms: int) -> None:
        """What is submitted is on its way."""


@dataclass
class Resting:
    """An order as the exchange has it."""

    order: WorkingOrder
    filled: Decimal = ZERO
    triggered: bool = False

    @property
    def rest(self) -> Decimal:
        """What is still to be done."""
        return self.order.quantity - self.filled


@dataclass
class Exchange:
    """The account and the matching engine of another. ``deals`` limits what one price fills of an order."""

    cash: Decimal = CASH
    held: Decimal = ZERO
    open: dict[str, Resting] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    executions: list[Executed] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    refuses: str | None = None
    deals: Decimal = Decimal(10**6)
    bid: Decimal = ZERO
    ask: Decimal = ZERO
    now_ms: int = T0

    def submit(self, order: WorkingOrder) -> None:
        """Take an order once for each id."""
        name = order.client_order_id
        if name in self.seen:
            return
        self.seen.add(name)
        crosses = order.limit is not None and self._crossed(order)
        if self.refuses is not None or (order.post_only and crosses):
            self.answers.append(Rejected(name, self.refuses or "would_cross", "the exchange refuses it"))
            return
        self.open[name] = Resting(order)
        self.answers.append(Accepted(name))

    def replace(self, name: str, order: WorkingOrder) -> None:
        """Let an open order have another quantity and prices."""
        self.open[name].order = order

    def cancel(self, name: str) -> None:
        """End an order, also one that has not come yet; one that is over was answered before."""
        gone = self.open.pop(name, None)
        if gone is not None or name not in self.seen:
            self.seen.add(name)
            self.answers.append(Ended(name, gone.filled if gone else ZERO))

    def price(self, bid: Decimal, ask: Decimal, now_ms: int) -> None:
        """The market moves: what must fill does."""
        self.bid, self.ask, self.now_ms = bid, ask, now_ms
        for name, one in sorted(self.open.items(), key=lambda item: not item[1].order.reduce_only):
            if name in self.open:
                self._meet(name, one)

    def _meet(self, name: str, one: Resting) -> None:
        order = one.order
        if order.stop is not None and not one.triggered:
            if not (self.bid <= order.stop if order.side == "sell" else self.ask >= order.stop):
                return
            one.triggered = True
            self.answers.append(Triggered(name))
        if order.limit is None:
            self._fill(name, one, self.ask if order.side == "buy" else self.bid)
        elif self._crossed(order):
            self._fill(name, one, order.limit)

    def _crossed(self, order: WorkingOrder) -> bool:
        assert order.limit is not None
        return self.ask <= order.limit if order.side == "buy" else self.bid >= order.limit

    def _fill(self, name: str, one: Resting, price: Decimal) -> None:
        buys = one.order.side == "buy"
        quantity = min(one.rest, self.deals)
        if one.order.reduce_only:
            quantity = min(quantity, max(-self.held if buys else self.held, ZERO))
        if quantity <= 0:
            return
        one.filled += quantity
        self.held += quantity if buys else -quantity
        self.cash -= (quantity if buys else -quantity) * price + FEE
        told = Executed(
            client_order_id=name,
            quantity=quantity,
            price=price,
            filled=one.filled,
            at_ms=self.now_ms,
            fee=FEE,
        )
        self.executions.append(told)
        self.answers.append(told)
        if not one.rest:
            del self.open[name]

    def standing(self) -> Standing:
        """Say how the account stands."""
        return Standing(
            orders={name: one.filled for name, one in self.open.items()},
            positions={BTC: self.held} if self.held else {},
            cash=self.cash,
            executions=tuple(self.executions),
        )


def everything(answers: list[Answer]) -> list[Answer]:
    """A wire that loses nothing."""
    return answers


class Outside:
    """A broker whose orders go outside: a live market, an exchange, and the courier."""

    def __init__(self, wire: Callable[[list[Answer]], list[Answer]] = everything) -> None:
        self.live = Live(venue=OutsideVenue, contract="spot")
        self.exchange, self.wire = Exchange(), wire
        self.reconcile()

    def reconcile(self) -> Outside:
        """Ask how the account stands, and tell the core."""
        self.live.core.answer([self.exchange.standing()])
        return self.pump()

    def pump(self) -> Outside:
        """Carry orders and answers until nothing is on its way."""
        while True:
            self.live.at(self.live.now)
            self._send()
            if not self.exchange.answers:
                return self
            answers, self.exchange.answers = self.exchange.answers, []
            self.live.core.answer(self.wire(answers))

    def _send(self) -> None:
        """Send what the committed state wants, as a courier does that knows nothing else."""
        exchange = self.exchange
        for name, order in restore(self.live.bench.state, CASH).working.items():
            there = exchange.open.get(name)
            if order.state is OrderState.SUBMITTED:
                exchange.submit(order)
            elif order.state is OrderState.PENDING_CANCEL:
                exchange.cancel(name)
            elif there is not None and there.order.quantity != order.quantity:
                exchange.replace(name, order)

    def price(self, bid: str, *, now: int) -> Outside:
        """The market moves to ``bid``, and the ask to a tick above."""
        ask = Decimal(bid) + Decimal("0.1")
        self.exchange.price(Decimal(bid), ask, T0 + now)
        self.live.quote(bid, str(ask), now=now)
        return self.pump()

    def revive(self) -> Outside:
        """Kill the broker and start it again; what the exchange has said meanwhile is lost."""
        self.exchange.answers.clear()
        self.live.revive()
        return self
