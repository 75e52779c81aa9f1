"""What a strategy holds and has asked for: by its own orders alone, or as the broker tells."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from protocol.messages.trading import AccountRecord, Cancel, Fill, Order, OrderChanged
from workers.strategy.api import Position, Stance

ZERO: Final = Decimal(0)
AS_MEANT: Final[dict[Stance, Position]] = {
    "flat": Position("flat"),
    "long": Position("long"),
    "short": Position("short"),
}
FINAL_STATES: Final = frozenset({"denied", "rejected", "filled", "cancelled", "expired"})


class Held(Struct):
    """A quantity (signed), and the weighted average price of its entries."""

    quantity: Decimal = ZERO
    average: Decimal = ZERO

    def take(self, signed: Decimal, price: Decimal) -> None:
        """Add a fill: an increase moves the average, a reduction keeps it, a turn begins at its price."""
        after = self.quantity + signed
        if self.quantity * after <= 0:
            self.average = price if after else ZERO
        elif abs(after) > abs(self.quantity):
            self.average = (self.average * self.quantity + price * signed) / after
        self.quantity = after

    @property
    def stance(self) -> Stance:
        """The direction."""
        return "long" if self.quantity > 0 else "short" if self.quantity < 0 else "flat"


class Asked(Struct):
    """An order that was sent and whose end is not known. ``rests``: it may stand for long."""

    symbol: str
    rests: bool


class Book(Struct):
    """Kept with the state of the worker. ``meant`` is the direction that the own orders lead to."""

    meant: dict[str, Stance] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)

    def means(self, symbol: str, stance: Stance) -> None:
        """Note where the newest decision leads."""
        self.meant[symbol] = stance

    def sent(self, order: Order) -> None:
        """Note an order that went out."""
        self.asked[order.client_order_id] = Asked(order.symbol, order.limit is not None)

    def withdrawn(self, cancels: Iterable[Cancel]) -> None:
        """Forget orders that were taken back; what the broker says of them later is heard all the same."""
        for cancel in cancels:
            self.asked.pop(cancel.target, None)

    def heard(self, message: AccountRecord) -> None:
        """Take what the broker says of the own orders."""
        if isinstance(message, Fill):
            signed = message.quantity if message.side == "buy" else -message.quantity
            self.held.setdefault(message.symbol, Held()).take(signed, message.price)
        elif isinstance(message, OrderChanged) and message.status in FINAL_STATES:
            self.asked.pop(message.client_order_id, None)

    def stance(self, symbol: str, *, follows: bool) -> Stance:
        """Return the direction: as meant, or (``follows``) as held once no order at the market is open."""
        if not follows or any(it.symbol == symbol and not it.rests for it in self.asked.values()):
            return self.meant.get(symbol, "flat")
        held = self.held.get(symbol)
        return held.stance if held is not None else "flat"

    def position(self, symbol: str, *, follows: bool) -> Position:
        """Return what a strategy is told."""
        direction = self.stance(symbol, follows=follows)
        if not follows:
            return AS_MEANT[direction]
        held = self.held.get(symbol) or Held()
        return Position(direction, held.quantity, held.average)

    def at_rest(self, symbol: str) -> tuple[str, ...]:
        """Return the ids of the orders at rest, in the order in which they were sent."""
        if not self.asked:
            return ()
        return tuple(name for name, it in self.asked.items() if it.rests and it.symbol == symbol)
