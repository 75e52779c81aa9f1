"""The order desk: takes an order on, or denies it with a typed code; each client_order_id once.

Ids are remembered for ``REMEMBERED_ROWS`` rows only. That is enough: a strategy's stream is read by cursor,
so an order comes twice only when its strategy decided it twice, and a decision about a row that is closed is
refused as stale. The unique key of the table ``orders`` is the net beneath.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from itertools import takewhile
from typing import Any, Final

import msgspec

from protocol.messages.stream import MarketRole
from protocol.messages.trading import Order
from workers.broker import store
from workers.broker.matching import Terms
from workers.broker.money import text
from workers.broker.notes import Notes
from workers.broker.orders import Happened, WorkingOrder
from workers.broker.sizing import Account, Admission, Denial, admit
from workers.broker.state import BrokerState, Seen

REMEMBERED_ROWS: Final = 500


class Desk:
    """Admits orders (R13). Changes the state and notes what follows from it."""

    def __init__(
        self, state: BrokerState, terms: Terms, market: MarketRole, notes: Notes, *, dry_run: bool
    ) -> None:
        self._state, self._terms, self._market = state, terms, market
        self._notes, self._dry_run = notes, dry_run

    def order(self, order: Order, *, row: int, stale: bool) -> None:
        """Admit or deny an order at the close of ``row``. The same order again changes nothing."""
        content = hashlib.sha256(msgspec.msgpack.encode(order)).hexdigest()[:16]
        seen = self._state.known.get(order.client_order_id)
        if seen is None:
            self._state.known[order.client_order_id] = Seen(row, content)
            self._decide(order, stale=stale)
        elif seen.content != content:
            self._conflict(order, content, row)

    def forget(self, row: int) -> None:
        """Let go of ids from before the last ``REMEMBERED_ROWS`` rows."""
        known, horizon = self._state.known, row - REMEMBERED_ROWS
        for name in list(takewhile(lambda name: known[name].row <= horizon, known)):
            del known[name]

    def _decide(self, order: Order, *, stale: bool) -> None:
        verdict = self._verdict(order, stale=stale)
        if isinstance(verdict, Denial):
            self._deny(order, verdict)
        else:
            self._accept(order, verdict)

    def _verdict(self, order: Order, *, stale: bool) -> Admission | Denial:
        mark = self._state.marks.get(order.symbol)
        if stale:
            return Denial("stale", f"decided on row {order.row}, which is closed")
        if self._dry_run:
            return Denial("dry_run", 'mode is "dry-run": nothing is submitted; set mode = "paper"')
        if order.symbol != self._market.symbol:
            return Denial("unknown_symbol", f"this broker trades {self._market.symbol}")
        if mark is None:
            return Denial("no_price", "no price has been seen yet")
        return admit(order, self._account(mark))

    def _account(self, mark: Decimal) -> Account:
        state = self._state
        return Account(
            books=state.books,
            working=state.working,
            equity=state.books.equity(state.marks),
            mark=mark,
            instrument=self._market.instrument,
            terms=self._terms,
        )

    def _accept(self, order: Order, admission: Admission) -> None:
        new = WorkingOrder.of(order, admission.quantity, admission.estimate)
        taken = new.after(Happened.SUBMITTED).after(Happened.ACCEPTED)
        self._state.working.append(taken)
        self._keep(order, taken, quantity=text(taken.quantity))
        self._notes.announce(taken, "accepted", self._state.at_ms)
        self._notes.log("INFO", "order accepted", **_facts(order), quantity=taken.quantity)

    def _deny(self, order: Order, denial: Denial) -> None:
        self._state.denied += 1
        denied = WorkingOrder.of(order).after(Happened.DENIED)
        self._keep(order, denied, code=denial.code, detail=denial.detail)
        self._notes.announce(denied, "denied", self._state.at_ms, denial.code, denial.detail)
        level = "INFO" if denial.code == "dry_run" else "WARNING"
        self._notes.log(level, "order denied", **_facts(order), code=denial.code, detail=denial.detail)

    def _conflict(self, order: Order, content: str, row: int) -> None:
        """Deny another order under a used id, on record under an id of its own: the first one stands."""
        own_id = f"{order.client_order_id}#{content}"
        if own_id in self._state.known:
            return
        self._state.known[own_id] = Seen(row, content)
        detail = f"the id {order.client_order_id} belongs to an order with other content"
        renamed = msgspec.structs.replace(order, client_order_id=own_id)
        self._deny(renamed, Denial("duplicate_id", detail))

    def _keep(
        self,
        order: Order,
        held: WorkingOrder,
        *,
        quantity: str | None = None,
        code: str | None = None,
        detail: str | None = None,
    ) -> None:
        state = self._state
        state.orders += 1
        self._notes.writes.append(
            store.insert_order(
                state.orders,
                order,
                status=held.state.value,
                quantity=quantity,
                at_ms=state.at_ms,
                code=code,
                detail=detail,
            )
        )


def _facts(order: Order) -> dict[str, Any]:
    return {"order": order.client_order_id, "symbol": order.symbol, "side": order.side, "row": order.row}
