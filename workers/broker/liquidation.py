"""Forced ends of a position: liquidation (R12), the kill switch, the shutdown. Orders of the broker's own
making.
"""

from __future__ import annotations

from decimal import Decimal

from protocol.messages.market import Instrument
from workers.broker.clerk import Clerk
from workers.broker.ledger import Position
from workers.broker.margin import liquidation_price
from workers.broker.matching import Terms
from workers.broker.orders import FINAL_STATES, Happened, WorkingOrder
from workers.broker.state import BrokerState


class Liquidator:
    """Knows when a position is liquidated, and makes the orders that end positions."""

    def __init__(self, state: BrokerState, terms: Terms, instrument: Instrument, clerk: Clerk) -> None:
        self._state, self._terms, self._instrument, self._clerk = state, terms, instrument, clerk
        self._known: tuple[Position | None, Decimal | None] = (None, None)

    def level(self, symbol: str) -> Decimal | None:
        """Return the mark at which what is held is liquidated; None where that cannot happen."""
        held = self._state.books.positions.get(symbol)
        if held is not self._known[0]:
            found = None if held is None else liquidation_price(held, self._instrument, self._terms)
            self._known = (held, found)
        return self._known[1]

    def reached(self, symbol: str, low: Decimal, high: Decimal) -> Decimal | None:
        """Return the liquidation level if a mark between these two has reached it."""
        level = self.level(symbol)
        if level is None:
            return None
        long = self._state.books.quantity(symbol) > 0
        return level if (low <= level if long else high >= level) else None

    def closing(self, symbol: str, reason: str) -> WorkingOrder | None:
        """Take back all orders of a symbol and place one that closes what is held; None when nothing is."""
        self.cancel_all(symbol, reason)
        held = self._state.books.quantity(symbol)
        if not held:
            return None
        trip = self._state.trips.get(symbol)
        state = self._state
        return self._clerk.place(
            WorkingOrder(
                client_order_id=f"{reason}-{state.orders + 1}",
                strategy=trip.strategy if trip else "",
                symbol=symbol,
                side="sell" if held > 0 else "buy",
                quantity=abs(held),
                estimate=state.marks.get(symbol, Decimal(0)),
                reduce_only=True,
                reason=reason,
                row=state.handled,
                accepted_ms=state.at_ms,
                due_ms=state.at_ms,
            )
        )

    def cancel_all(self, symbol: str, code: str, *, entries_only: bool = False) -> int:
        """Cancel what is working on a symbol; say how many orders that were."""
        count = 0
        for order in list(self._state.working.values()):
            # One cancel may have taken another with it.
            here = self._state.working.get(order.client_order_id)
            if here is not None and here.symbol == symbol and not (entries_only and here.reduce_only):
                self._clerk.withdraw(here, code)
                count += 1
        return count

    def expire(self, now_ms: int) -> None:
        """End the orders whose time is over."""
        for order in list(self._state.working.values()):
            over = order.expires_ms is not None and order.expires_ms <= now_ms
            if over and order.state not in FINAL_STATES:
                self._clerk.move(order, Happened.EXPIRED)
