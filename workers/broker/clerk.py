"""The clerk: puts fills on the books and orders on record, and does what follows from a fill.

It alone speaks with the venue: ``place``, ``change`` and ``withdraw`` ask of it; ``move``, ``fill`` and
``cancel`` are what it answers.

What follows: the round trip is counted, an entry's protectors are placed or grow with it, one protector's
fill shrinks the other, and what would protect a position that is gone is taken back. All of it belongs to the
same step, hence to one transaction.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from protocol.messages.market import Instrument
from protocol.messages.trading import Cancel, DelayedEntry, Fill, FundingPaid, Order, OrderStatus
from workers.broker import store
from workers.broker.bracket import as_order, protectors
from workers.broker.funding import SAME_EVENT_MS
from workers.broker.ledger import Flow
from workers.broker.matching import Liquidity, Terms, fee
from workers.broker.money import ZERO
from workers.broker.notes import Notes
from workers.broker.orders import FINAL_STATES, Happened, OrderState, WorkingOrder
from workers.broker.risk import Risk
from workers.broker.round_trips import counted, with_funding
from workers.broker.sizing import Account
from workers.broker.state import BrokerState, Owed
from workers.broker.venue import Venue


class Clerk:
    """Owned by the core; changes the state and notes what follows from it."""

    def __init__(
        self,
        state: BrokerState,
        terms: Terms,
        instrument: Instrument,
        notes: Notes,
        risk: Risk,
        *,
        permissive: bool,
    ) -> None:
        self._state, self._terms, self._instrument = state, terms, instrument
        self._notes, self._risk, self._permissive = notes, risk, permissive
        self._venue: Venue

    def trades_at(self, venue: Venue) -> None:
        """Learn where orders are executed; once, before anything else."""
        self._venue = venue

    def account(self, symbol: str) -> Account:
        """Return the account as admission and fills look at it."""
        state = self._state
        return Account(
            books=state.books,
            working=[order for order in state.working.values() if order.symbol == symbol],
            equity=state.books.equity(state.marks),
            mark=state.marks.get(symbol, ZERO),
            instrument=self._instrument,
            terms=self._terms,
            permissive=self._permissive,
        )

    # --- orders ---------------------------------------------------------------------------------

    def place(self, order: WorkingOrder, record: Order | None = None) -> WorkingOrder:
        """Submit an order: it is working, on record, and announced once it is accepted.

        ``record`` is how it was asked for; None: it is of the broker's own making.
        """
        taken = self._venue.submit(order.after(Happened.SUBMITTED), travels=record is not None)
        self._state.working[taken.client_order_id] = taken
        self.record(record or as_order(taken), taken, quantity=taken.quantity)
        if taken.state is not OrderState.SUBMITTED:
            self.announce(taken)
        return taken

    def change(self, order: WorkingOrder) -> None:
        """Have an order at work take another quantity, limit or stop."""
        self._venue.replace(order)

    def withdraw(self, order: WorkingOrder, code: str | None = None, asked: Cancel | None = None) -> None:
        """Have the venue end an order at work, quietly where that is in the nature of things."""
        self._venue.cancel(order, code, asked)

    def record(
        self,
        order: Order,
        held: WorkingOrder,
        *,
        quantity: Decimal | None = None,
        code: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Put a new order on record under the next number."""
        state = self._state
        state.orders += 1
        write = store.insert_order(
            state.orders, order, held, quantity=quantity, at_ms=state.at_ms, code=code, detail=detail
        )
        self._notes.row("orders", state.orders, write)

    def move(
        self, order: WorkingOrder, happened: Happened, code: str | None = None, detail: str | None = None
    ) -> WorkingOrder:
        """Move an order to its next state, on record and announced; a final one works no more."""
        moved = order.after(happened)
        self.keep(moved, code)
        self.announce(moved, code, detail)
        if code is not None:
            name = moved.client_order_id
            self._notes.log("WARNING", f"order {moved.state.value}", order=name, code=code, detail=detail)
        return moved

    def keep(self, order: WorkingOrder, code: str | None = None) -> None:
        """Keep an order as it is now, without announcing it."""
        working = self._state.working
        if order.state in FINAL_STATES:
            working.pop(order.client_order_id, None)
        else:
            working[order.client_order_id] = order
        self._notes.writes.append(store.update_order(order, at_ms=self._state.at_ms, code=code))

    def announce(self, order: WorkingOrder, code: str | None = None, detail: str | None = None) -> None:
        """Tell the readers of the stream an order's state."""
        status: OrderStatus = order.state.value  # type: ignore[assignment]  # the states told have its names
        self._notes.announce(order, status, self._state.at_ms, code, detail)

    # --- fills ----------------------------------------------------------------------------------

    def fill(
        self,
        order: WorkingOrder,
        quantity: Decimal,
        price: Decimal,
        liquidity: Liquidity = "taker",
        *,
        paid: Decimal | None = None,
        late: bool = False,
        replayed: bool = False,
    ) -> WorkingOrder:
        """Book a fill and all that follows from it; return the order after it.

        ``paid`` is the fee as the venue tells it; None: that of the terms.
        """
        state = self._state
        paid = fee(quantity, price, self._terms, liquidity) if paid is None else paid
        signed = quantity if order.side == "buy" else -quantity
        booking = state.books.traded(order.symbol, self._instrument.contract, signed, price, paid)
        state.books = booking.books
        state.fills += 1
        after = order.after_fill(quantity, price)
        fill = replace(
            self._fill_of(after, quantity, price),
            fee=paid,
            realised=booking.realised,
            liquidity=liquidity,
            late=late,
            replayed=replayed,
        )
        self._note(fill, booking.flows)
        self._delayed(after, price)
        self.keep(after)
        self.announce(after)
        self._count(fill)
        self._follow(after, quantity)
        return after

    def _fill_of(self, order: WorkingOrder, quantity: Decimal, price: Decimal) -> Fill:
        state = self._state
        return Fill(
            fill_id=f"{order.client_order_id}:{order.fills}",
            client_order_id=order.client_order_id,
            strategy=order.strategy,
            symbol=order.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=ZERO,
            realised=ZERO,
            position=state.books.quantity(order.symbol),
            at_ms=state.at_ms,
            row=state.handled,
            reason=order.reason,
        )

    def _note(self, fill: Fill, flows: tuple[Flow, ...]) -> None:
        state, notes = self._state, self._notes
        notes.outputs.append(fill)
        notes.row("fills", state.fills, store.insert_fill(state.fills, fill))
        notes.flows(state, flows, fill.fill_id, fill.at_ms)
        held = state.books.positions.get(fill.symbol)
        notes.writes.append(store.put_position(fill.symbol, held, fill.at_ms))
        notes.log(
            "INFO",
            "order filled",
            order=fill.client_order_id,
            symbol=fill.symbol,
            side=fill.side,
            price=fill.price,
            quantity=fill.quantity,
            fee=fill.fee,
            realised=fill.realised,
            position=fill.position,
            equity=state.books.equity(state.marks),
        )

    def _delayed(self, order: WorkingOrder, price: Decimal) -> None:
        delay_ms = self._terms.entry_delay_ms
        if order.reduce_only or not delay_ms or order.fills != 1 or order.decided_price is None:
            return
        entry = DelayedEntry(
            client_order_id=order.client_order_id,
            strategy=order.strategy,
            symbol=order.symbol,
            side=order.side,
            decided_price=order.decided_price,
            price=price,
            delay_ms=delay_ms,
            at_ms=self._state.at_ms,
        )
        self._notes.outputs.append(entry)
        self._notes.writes.append(store.insert_delayed(entry))

    def _count(self, fill: Fill) -> None:
        state = self._state
        trip, closed = counted(state.trips.pop(fill.symbol, None), fill, fill.reason or "signal")
        if trip is not None:
            state.trips[fill.symbol] = trip
        if closed is not None:
            state.trades += 1
            self._notes.outputs.append(closed)
            self._notes.row("trades", state.trades, store.insert_trade(state.trades, closed))
            self._risk.closed(closed)

    def _follow(self, order: WorkingOrder, quantity: Decimal) -> None:
        """Do what a fill entails for other orders of its symbol."""
        if order.parent is not None:
            self._shrink_others(order, quantity)
        self._release(order.symbol)
        if order.bracket is not None:
            self._protect(order)

    def _shrink_others(self, order: WorkingOrder, quantity: Decimal) -> None:
        for other in self._of_parent(order):
            if other.rest > quantity:
                self.change(replace(other, quantity=other.quantity - quantity))
            else:
                self.withdraw(other, "other_filled")

    def _of_parent(self, order: WorkingOrder) -> list[WorkingOrder]:
        same = (o for o in self._state.working.values() if o.parent == order.parent)
        return [other for other in same if other.client_order_id != order.client_order_id]

    def _release(self, symbol: str) -> None:
        """Take back what would reduce a position that is not there (any more)."""
        held = self._state.books.quantity(symbol)
        for other in list(self._state.working.values()):
            if other.symbol == symbol and other.reduce_only and other.resting:
                reducible = held if other.side == "sell" else -held
                if reducible <= 0:
                    self.withdraw(other, "position_closed")

    def _protect(self, entry: WorkingOrder) -> None:
        state = self._state
        held = state.books.quantity(entry.symbol)
        covered = min(entry.filled, max(held if entry.side == "buy" else -held, ZERO))
        if not covered:
            return
        for new in protectors(entry, covered, self._instrument.tick, row=state.handled, at_ms=state.at_ms):
            known = self._protector_like(new)
            if known is None:
                self.place(new)
            else:
                stop = known.stop if known.kind == "trailing" else new.stop
                grown = new.quantity + known.filled
                self.change(replace(known, quantity=grown, limit=new.limit, stop=stop))

    def _protector_like(self, new: WorkingOrder) -> WorkingOrder | None:
        """Return the protector of the same entry and kind that is working already, whatever it is called."""
        siblings = (o for o in self._state.working.values() if o.parent == new.parent)
        return next((o for o in siblings if (o.kind == "limit") == (new.kind == "limit")), None)

    def cancel(self, order: WorkingOrder, code: str | None = None) -> None:
        """Book that what was left of an order is cancelled."""
        cancelled = order.after(Happened.CANCELLED)
        self.keep(cancelled, code)
        self.announce(cancelled, code)

    # --- cash -----------------------------------------------------------------------------------

    def deposit(self, at_ms: int) -> None:
        """Put what the account begins with on record, once."""
        if not self._state.flows:
            cash = self._state.books.cash0
            self._notes.flows(self._state, (Flow("deposit", cash, cash),), "deposit", at_ms)

    def settle(self, symbol: str, at_ms: int, rate: Decimal, told: Owed | None = None) -> None:
        """Book a funding that was told, or the one that waited for its rate.

        ``told`` is what the venue says was held then, and at which mark; None: what is held here now.
        """
        state = self._state
        for owed in state.owed:
            if owed.symbol == symbol and abs(owed.at_ms - at_ms) < SAME_EVENT_MS:
                state.owed.remove(owed)
                self._fund(owed.symbol, owed.at_ms, rate, owed)
                return
        self.fund(symbol, at_ms, rate, told)

    def fund(self, symbol: str, at_ms: int, rate: Decimal | None, told: Owed | None = None) -> None:
        """Book a funding time, once; without a rate it pends."""
        last = self._state.funded_ms.get(symbol)
        if last is None or at_ms - last >= SAME_EVENT_MS:
            self._state.funded_ms[symbol] = at_ms
            self._fund(symbol, at_ms, rate, told)

    def _fund(self, symbol: str, at_ms: int, rate: Decimal | None, owed: Owed | None = None) -> None:
        # On what is held, or was when it was owed.
        state = self._state
        mark = owed.mark if owed else state.marks.get(symbol)
        quantity = owed.quantity if owed else state.books.quantity(symbol)
        if mark is None or not quantity or self._instrument.contract == "spot":
            return
        if rate is None:
            pending = Owed(symbol, at_ms, quantity, mark)
            state.owed.append(pending)
            self._notes.writes.append(store.put_funding(pending))
            self._notes.log("WARNING", "funding pending", symbol=symbol, quantity=quantity, mark=mark)
            return
        booking = state.books.funded(quantity, mark, rate)
        state.books = booking.books
        self._notes.flows(state, booking.flows, f"funding {symbol}", at_ms)
        paid = FundingPaid(
            symbol=symbol,
            rate=rate,
            mark=mark,
            quantity=quantity,
            amount=sum((flow.amount for flow in booking.flows), ZERO),
            at_ms=at_ms,
        )
        if symbol in state.trips:
            state.trips[symbol] = with_funding(state.trips[symbol], paid.amount)
        self._notes.outputs.append(paid)
        self._notes.writes.append(store.put_funding(paid))
        facts = {"rate": rate, "mark": mark, "quantity": quantity, "amount": paid.amount}
        self._notes.log("INFO", "funding", symbol=symbol, **facts)
