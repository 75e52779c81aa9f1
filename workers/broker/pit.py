"""The pit: tick mode. What quotes, trades and marks do to the orders at work, as they arrive (R0 to R9).

On a quote: liquidation, then what leaves the market (stops, exits, targets) before what enters it, then
trailing stops move. Only data received after an order has reached the market can fill it. A quote that is old
gives nothing: entries wait ten seconds and expire, exits wait for the first fresh one and are told to be
``late``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from protocol.messages.tick import Mark, Quote, Tick, Trade
from workers.broker.marking import STALE_MS
from workers.broker.matching import Liquidity, at_least_as_good
from workers.broker.matching_tick import (
    Touch,
    crossed,
    printed_at,
    printed_through,
    queue_ahead,
    stop_touched,
    walk,
)
from workers.broker.money import ZERO
from workers.broker.office import Office
from workers.broker.orders import Happened, WorkingOrder
from workers.broker.sizing import fillable
from workers.broker.trailing import raised

ENTRY_PATIENCE_MS: Final = 10_000


class Pit:
    """Owned by the core; changes the state and notes what follows from it."""

    def __init__(self, office: Office) -> None:
        self._state, self._terms, self._instrument = office.state, office.terms, office.instrument
        self._clerk, self._liquidator = office.clerk, office.liquidator
        self._desk, self._marker = office.desk, office.marker
        self._bid = self._ask = Touch(ZERO, ZERO)
        self._now_ms = 0

    def tick(self, tick: Tick, now_ms: int) -> None:
        """Act on a live price that was marked; ``now_ms`` is UTC and not before it was received."""
        self._now_ms = now_ms
        match tick:
            case Quote():
                self._on_quote(tick)
            case Trade():
                self._on_trade(tick)
            case Mark():
                self._on_mark(tick)

    def advance(self, now_ms: int) -> None:
        """Let time pass: expiries, cancels that arrive, entries that waited too long."""
        state = self._state
        self._now_ms = now_ms
        self._owe_funding()
        if not state.working:
            return
        self._liquidator.expire(now_ms)
        for order in list(state.working.values()):
            here = state.working.get(order.client_order_id)
            if here is None:
                continue
            if here.cancel_ms is not None and here.cancel_ms <= now_ms:
                self._desk.ended(here)
            elif self._gave_up(here):
                self._clerk.move(here, Happened.EXPIRED, "no_fresh_quote")

    def take_now(self, order: WorkingOrder, now_ms: int) -> None:
        """Fill an order from the last quote while that is fresh; else it goes on waiting."""
        if self._marker.is_fresh(now_ms):
            self._now_ms = now_ms
            self._take(order)

    def next_ms(self) -> int | None:
        """Return when :meth:`advance` is wanted although nothing comes (UTC); None: never."""
        times = [when for order in self._state.working.values() for when in self._times(order)]
        if self._state.funding_due_ms is not None:
            times.append(self._state.funding_due_ms)
        return min(times, default=None)

    # --- quotes ---------------------------------------------------------------------------------

    def _on_quote(self, quote: Quote) -> None:
        self._bid, self._ask = Touch(quote.bid, quote.bid_size), Touch(quote.ask, quote.ask_size)
        if self._state.working or self._state.books.positions:
            self._act(quote)

    def _act(self, quote: Quote) -> None:
        fills = self._state.fills
        if not self._marker.has_mark(quote.received_ms):
            self._liquidate(quote.symbol, quote.bid, quote.ask)
        for order in self._here(quote.symbol, quote.received_ms):
            here = self._state.working.get(order.client_order_id)
            if here is not None:
                self._meet(here, quote)
        for order in self._here(quote.symbol, quote.received_ms):
            if order.waits_for_trigger and order.trail is not None:
                self._trail(order, quote)
        if self._state.fills != fills:
            self._state.books.check()

    def _here(self, symbol: str, received_ms: int) -> list[WorkingOrder]:
        """Return the orders that have reached the market, those that leave it first, stops before targets."""
        working = self._state.working.values()
        here = [o for o in working if o.symbol == symbol and o.due_ms <= received_ms]
        return sorted(here, key=lambda o: (not o.reduce_only, o.is_limit)) if len(here) > 1 else here

    def _meet(self, order: WorkingOrder, quote: Quote) -> None:
        """Let an order meet a fresh quote."""
        if order.waits_for_trigger:
            if order.trigger == "touch" and stop_touched(order, quote.bid, quote.ask):
                self._trigger(order)
        elif not order.is_limit:
            self._take(order)
        elif not order.met:
            self._arrive(order, quote)
        elif crossed(order, quote):
            self._make(order)
        else:
            self._queue(order, quote)

    def _trigger(self, order: WorkingOrder) -> None:
        moved = order.after(Happened.TRIGGERED)
        self._clerk.keep(moved)
        if order.kind == "stop_limit":
            self._clerk.announce(moved)
        if self._marker.quote is not None and self._marker.is_fresh(self._now_ms):
            self._meet(moved, self._marker.quote)

    def _arrive(self, order: WorkingOrder, quote: Quote) -> None:
        """Let a limit meet the book for the first time (R4)."""
        assert order.limit is not None  # a limit has one
        price = quote.ask if order.side == "buy" else quote.bid
        if order.post_only and at_least_as_good(order.side, price, order.limit):
            self._clerk.move(order, Happened.REJECTED, "would_cross", f"the price is {price}")
            return
        after = self._take(replace(order, met=True), limit=order.limit)
        if after is not None and order.time_in_force == "ioc":
            self._clerk.move(after, Happened.CANCELLED, "ioc_rest")
        elif after is not None:
            self._queue(after, quote)

    def _queue(self, order: WorkingOrder, quote: Quote) -> None:
        # In memory only: a new life knows nothing of the queue, and begins at its end.
        self._state.working[order.client_order_id] = replace(order, ahead=queue_ahead(order, quote))

    def _trail(self, order: WorkingOrder, quote: Quote) -> None:
        moved = raised(order, quote.bid if order.side == "sell" else quote.ask, self._instrument.tick)
        if moved is not order:
            self._clerk.keep(moved)

    # --- trades, marks -------------------------------------------------------------------------

    def _on_trade(self, trade: Trade) -> None:
        left = trade.amount
        for order in self._here(trade.symbol, trade.received_ms):
            here = self._state.working.get(order.client_order_id)
            if here is not None and here.is_limit and here.met and left > 0:
                left -= self._print(here, trade, left)

    def _print(self, order: WorkingOrder, trade: Trade, left: Decimal) -> Decimal:
        """Return how much of a trade an order gets (R3)."""
        assert order.limit is not None  # a limit has one
        if printed_through(order, trade):
            return self._fill(order, left, order.limit, "maker")
        if not printed_at(order, trade) or order.ahead is None:
            return ZERO
        beyond = left - order.ahead
        waiting = replace(order, ahead=max(-beyond, ZERO))
        self._state.working[order.client_order_id] = waiting
        return self._fill(waiting, beyond, order.limit, "maker") if beyond > 0 else ZERO

    def _on_mark(self, mark: Mark) -> None:
        state = self._state
        if self._instrument.contract == "linear":
            self._liquidate(mark.symbol, mark.mark, mark.mark)
        for order in self._here(mark.symbol, mark.received_ms):
            here = state.working.get(order.client_order_id)
            by_mark = here is not None and here.waits_for_trigger and here.trigger == "mark"
            if here is not None and by_mark and stop_touched(here, mark.mark, mark.mark):
                self._trigger(here)

    # --- fills ----------------------------------------------------------------------------------

    def _take(self, order: WorkingOrder, *, limit: Decimal | None = None) -> WorkingOrder | None:
        """Take from the present quote; return the order while it works on."""
        touch = self._ask if order.side == "buy" else self._bid
        able, code = fillable(order, order.rest, touch.price, self._clerk.account(order.symbol))
        grids = {"tick": self._instrument.tick, "step": self._step}
        walked = walk(order.side, touch, able, self._terms, **grids, limit=limit) if able > 0 else None
        if walked is not None:
            self._consume(order, walked.quantity)
            order = self._clerk.fill(order, walked.quantity, walked.price, late=self._is_late(order))
        elif order.met:
            self._state.working[order.client_order_id] = order
        if self._state.working.get(order.client_order_id) is None:
            return None
        if limit is None and not self._stays(order, code, got=walked is not None):
            return None
        return order

    def _stays(self, order: WorkingOrder, code: str | None, *, got: bool) -> bool:
        """Whether the rest of a market order waits for the next quote; else it is cancelled (R2)."""
        if code is None and (order.reduce_only or not got):
            return True  # what protects is never left undone
        self._clerk.move(order, Happened.CANCELLED, code or "price_protection")
        return False

    def _make(self, order: WorkingOrder) -> None:
        """Fill a resting limit from the opposite side that came to it, up to its size."""
        assert order.limit is not None  # a limit has one
        touch = self._ask if order.side == "buy" else self._bid
        got = self._fill(order, max(touch.size - touch.taken, ZERO), order.limit, "maker")
        self._consume(order, got)

    def _fill(self, order: WorkingOrder, most: Decimal, price: Decimal, liquidity: Liquidity) -> Decimal:
        account = self._clerk.account(order.symbol)
        wanted = min(order.rest, most)
        able, code = fillable(order, wanted, price, account)
        if able > 0:
            order = self._clerk.fill(order, able, price, liquidity, late=self._is_late(order))
        if code is not None and self._state.working.get(order.client_order_id) is not None:
            self._clerk.move(order, Happened.CANCELLED, code)
        return max(able, ZERO)

    def _consume(self, order: WorkingOrder, quantity: Decimal) -> None:
        if order.side == "buy":
            self._ask = self._ask._replace(taken=self._ask.taken + quantity)
        else:
            self._bid = self._bid._replace(taken=self._bid.taken + quantity)

    def _is_late(self, order: WorkingOrder) -> bool:
        waited = not order.resting and self._now_ms - order.due_ms > STALE_MS
        return order.reduce_only and (self._marker.late or waited)

    def _liquidate(self, symbol: str, low: Decimal, high: Decimal) -> None:
        if self._state.books.positions and self._liquidator.reached(symbol, low, high) is not None:
            order = self._liquidator.closing(symbol, "liquidation")
            if order is not None and self._marker.quote is not None:
                self._take(order)

    @property
    def _step(self) -> Decimal:
        return self._instrument.step * self._instrument.contract_size

    # --- time -----------------------------------------------------------------------------------

    def _times(self, order: WorkingOrder) -> list[int]:
        waits = not order.reduce_only and not order.resting
        times = [order.expires_ms, order.cancel_ms, order.due_ms + ENTRY_PATIENCE_MS if waits else None]
        return [when for when in times if when is not None]

    def _gave_up(self, order: WorkingOrder) -> bool:
        waits = not order.reduce_only and not order.resting
        return waits and order.due_ms + ENTRY_PATIENCE_MS <= self._now_ms

    def _owe_funding(self) -> None:
        """R11: a funding time that passes without its rate is a pending row, never silently nothing."""
        state = self._state
        due_ms = state.funding_due_ms
        if due_ms is None or due_ms > self._now_ms:
            return
        state.funding_due_ms = None
        self._clerk.fund(state.funding_symbol, due_ms, None)
