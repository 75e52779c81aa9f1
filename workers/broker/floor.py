"""The trading floor: what a row of the market does to the orders at work and to the position."""

from __future__ import annotations

from protocol.messages.market import Candle, Funding, Instrument, MarketRecord
from protocol.messages.trading import Fill, OrderStatus
from workers.broker import store
from workers.broker.ledger import Flow
from workers.broker.matching import Execution, Terms, execute
from workers.broker.money import ZERO, text
from workers.broker.notes import Notes
from workers.broker.orders import FINAL_STATES, Happened, OrderState, WorkingOrder
from workers.broker.state import BrokerState


class Floor:
    """Fills orders in candle mode. Changes the state and notes what follows from it."""

    def __init__(self, state: BrokerState, terms: Terms, instrument: Instrument, notes: Notes) -> None:
        self._state, self._terms, self._instrument, self._notes = state, terms, instrument, notes

    def row(self, message: MarketRecord, row: int) -> None:
        """Deal with a row: fills at a candle's open, then its close is the mark; funding; the end."""
        state = self._state
        if not state.flows:
            cash = state.books.cash0
            self._notes.flows(state, (Flow("deposit", cash, cash),), "deposit", _time_of(message))
        match message:
            case Candle():
                if state.working:
                    self._open(message, row)
                state.marks[message.symbol] = message.close
                state.at_ms = state.last_candle_ms = message.close_ms
            case Funding():
                self._fund(message)
            case _:
                state.end = message.on_end
                state.at_ms = max(state.at_ms, message.at_ms)

    def _open(self, candle: Candle, row: int) -> None:
        state = self._state
        state.marks[candle.symbol] = candle.open
        state.at_ms = candle.open_ms
        waiting, state.working = state.working, []
        for order in waiting:
            after = self._fill(order, candle, row) if order.symbol == candle.symbol else order
            if after.state not in FINAL_STATES:
                state.working.append(after)
        state.books.check()

    def _fill(self, order: WorkingOrder, candle: Candle, row: int) -> WorkingOrder:
        got = execute(order, candle.open, self._state.books, self._instrument, self._terms)
        if got.quantity:
            order = self._book(order, got, row)
        if order.state is OrderState.FILLED:
            self._settle(order, "filled", None)
            return order
        order = order.after(Happened.CANCELLED)
        self._settle(order, "cancelled", got.short_of)
        self._notes.log("WARNING", "order cancelled", order=order.client_order_id, code=got.short_of)
        return order

    def _book(self, order: WorkingOrder, got: Execution, row: int) -> WorkingOrder:
        state, contract = self._state, self._instrument.contract
        signed = got.quantity if order.side == "buy" else -got.quantity
        booking = state.books.traded(order.symbol, contract, signed, got.price, got.fee)
        state.books = booking.books
        state.fills += 1
        fill = Fill(
            fill_id=f"{order.client_order_id}:{order.fills + 1}",
            client_order_id=order.client_order_id,
            strategy=order.strategy,
            symbol=order.symbol,
            side=order.side,
            price=got.price,
            quantity=got.quantity,
            fee=got.fee,
            realised=booking.realised,
            position=state.books.quantity(order.symbol),
            at_ms=state.at_ms,
            row=row,
        )
        self._note(fill, booking.flows)
        return order.after_fill(got.quantity)

    def _note(self, fill: Fill, flows: tuple[Flow, ...]) -> None:
        state, notes = self._state, self._notes
        notes.outputs.append(fill)
        notes.writes.append(store.insert_fill(state.fills, fill))
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

    def _settle(self, order: WorkingOrder, status: OrderStatus, code: str | None) -> None:
        at_ms, filled = self._state.at_ms, text(order.filled)
        self._notes.writes.append(
            store.update_order(order.client_order_id, status=status, filled=filled, code=code, at_ms=at_ms)
        )
        self._notes.announce(order, status, at_ms, code)

    def _fund(self, funding: Funding) -> None:
        state, notes, symbol = self._state, self._notes, funding.symbol
        state.at_ms = max(state.at_ms, funding.at_ms)
        mark, quantity = state.marks.get(symbol), state.books.quantity(symbol)
        if mark is None or not quantity or funding.at_ms <= state.funded_ms.get(symbol, -1):
            return
        booking = state.books.funded(symbol, mark, funding.rate)
        state.funded_ms[symbol] = funding.at_ms
        state.books = booking.books
        notes.flows(state, booking.flows, f"funding {symbol}", funding.at_ms)
        paid = sum((flow.amount for flow in booking.flows), ZERO)
        amounts = {"rate": funding.rate, "mark": mark, "quantity": quantity, "amount": paid}
        plain = {name: text(amount) for name, amount in amounts.items()}
        notes.writes.append(store.insert_funding(symbol, funding.at_ms, **plain))
        notes.log("INFO", "funding", symbol=symbol, **amounts)


def _time_of(message: MarketRecord) -> int:
    return message.open_ms if isinstance(message, Candle) else message.at_ms
