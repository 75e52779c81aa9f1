"""The order desk: takes an order on, or denies it with a typed code; each client_order_id once.

Ids are remembered for ``REMEMBERED_ROWS`` rows only. That is enough: a strategy's stream is read by cursor,
so an order comes twice only when its strategy decided it twice, and a decision about a row that is closed is
refused as stale. The unique key of the table ``orders`` is the net beneath.
"""

from __future__ import annotations

import hashlib
from itertools import takewhile
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from protocol.messages.stream import MarketRole
from protocol.messages.trading import Cancel, Order
from workers.broker import store
from workers.broker.clerk import Clerk
from workers.broker.denial import Denial
from workers.broker.fitness import fault
from workers.broker.matching import Terms
from workers.broker.notes import Notes
from workers.broker.orders import Happened, WorkingOrder
from workers.broker.risk import Risk
from workers.broker.sizing import Admission, Funds, admit, on_grid
from workers.broker.state import BrokerState, Seen
from workers.broker.trailing import stop_at

REMEMBERED_ROWS: Final = 500


class Desk:
    """Admits orders (R13) and cancels. Owned by the core; changes the state and notes what follows."""

    def __init__(
        self,
        state: BrokerState,
        terms: Terms,
        market: MarketRole,
        notes: Notes,
        *,
        clerk: Clerk,
        risk: Risk,
        dry_run: bool,
    ) -> None:
        self._state, self._terms, self._market, self._notes = state, terms, market, notes
        self._clerk, self._risk, self._dry_run = clerk, risk, dry_run

    def order(self, order: Order, *, row: int, stale: str | None = None) -> Denial | None:
        """Admit or deny an order at the close of ``row``; return the denial. The same again changes nothing.

        ``stale`` says why it comes too late, where it does.
        """
        if self._is_new(order, row):
            return self._decide(order, row=row, stale=stale)
        return self._unlike(order, row)

    def cancel(self, cancel: Cancel, *, row: int, by_operator: bool = False) -> Denial | None:
        """Cancel an order, with its replacement in one step; return the denial."""
        content = _fingerprint(cancel)
        if self._state.known.get(cancel.client_order_id) == Seen(row, content):
            return None
        self._state.known[cancel.client_order_id] = Seen(row, content)
        denial = self._cancel(cancel, row, by_operator=by_operator)
        code, detail = (denial.code, denial.detail) if denial else (None, None)
        at_ms = self._state.at_ms
        self._notes.writes.append(store.insert_cancel(cancel, row=row, at_ms=at_ms, code=code, detail=detail))
        if denial is not None:
            facts = {"cancel": cancel.client_order_id, "order": cancel.target}
            self._notes.log("WARNING", "cancel denied", **facts, code=code, detail=detail)
        return denial

    def take_place(self, target: WorkingOrder, order: Order) -> bool:
        """End an order and admit its replacement, or leave it as it is where that must be denied."""
        if not self._is_new(order, self._state.handled):
            self._unlike(order, self._state.handled)
            return False
        del self._state.working[target.client_order_id]
        verdict = self._verdict(order, stale=None)
        if isinstance(verdict, Denial):
            self._state.working[target.client_order_id] = target
            self._deny(order, verdict)
            return False
        self._clerk.cancel(target, "replaced")
        self._accept(order, verdict, self._state.handled, parent=target.parent)
        return True

    def ended(self, order: WorkingOrder, code: str | None = None) -> None:
        """Book that a cancel took effect: the order ends, and what shall replace it takes its place."""
        if order.replacement is None or not self.take_place(order, order.replacement):
            self._clerk.cancel(order, code)

    def forget(self, row: int) -> None:
        """Let go of ids from before the last ``REMEMBERED_ROWS`` rows."""
        known, horizon = self._state.known, row - REMEMBERED_ROWS
        for name in list(takewhile(lambda name: known[name].row <= horizon, known)):
            del known[name]

    def used(self, order: Order) -> Denial:
        """Deny an order under an id that is on record from long ago; return the denial."""
        return self._conflict(order, _fingerprint(order), self._state.handled)

    def funds(self) -> Funds:
        """Divide the account into what is bound and what is free."""
        return self._clerk.account(self._market.symbol).funds()

    # --- orders ---------------------------------------------------------------------------------

    def _is_new(self, order: Order, row: int) -> bool:
        name = order.client_order_id
        if name in self._state.known or name in self._state.working:
            return False
        self._state.known[name] = Seen(row, _fingerprint(order))
        return True

    def _unlike(self, order: Order, row: int) -> Denial | None:
        """Deny an order under a known id whose content is another than that of the first."""
        content, seen = _fingerprint(order), self._state.known.get(order.client_order_id)
        return None if seen and seen.content == content else self._conflict(order, content, row)

    def _decide(self, order: Order, *, row: int, stale: str | None) -> Denial | None:
        verdict = self._verdict(order, stale=stale)
        if isinstance(verdict, Denial):
            self._deny(order, verdict)
            return verdict
        self._accept(order, verdict, row)
        return None

    def _verdict(self, order: Order, *, stale: str | None) -> Admission | Denial:
        state = self._state
        mark = state.marks.get(order.symbol)
        if stale is not None:
            return Denial("stale", stale)
        if self._dry_run:
            return Denial("dry_run", 'mode is "dry-run": nothing is submitted; set mode = "paper"')
        if order.symbol != self._market.symbol:
            return Denial("unknown_symbol", f"this broker trades {self._market.symbol}")
        if mark is None:
            return Denial("no_price", "no price has been seen yet")
        if not (self._market.lockstep or self._market.instrument.filters_known):
            return Denial("unknown_filters", "the venue's price and amount grids are not known")
        denial = fault(order, state.at_ms, mark) or self._risk.refusal(order)
        return denial or admit(order, self._clerk.account(order.symbol))

    def _accept(self, order: Order, admission: Admission, row: int, *, parent: str | None = None) -> None:
        state, tick = self._state, self._market.instrument.tick
        mark = state.marks[order.symbol]
        new = on_grid(WorkingOrder.of(order, admission.quantity, admission.estimate), tick)
        if order.trail is not None:
            new = replace(new, best=mark, stop=stop_at(order.side, mark, order.trail, tick))
        decided = order.decided_price or mark
        due = state.at_ms + (0 if order.reduce_only else self._terms.entry_delay_ms)
        placed = {"row": row, "accepted_ms": state.at_ms, "due_ms": due, "decided_price": decided}
        taken = self._clerk.place(replace(new, parent=parent, **placed), order)
        self._risk.ordered(order)
        self._notes.log("INFO", "order accepted", **_facts(order), quantity=taken.quantity)

    def _deny(self, order: Order, denial: Denial) -> None:
        self._state.denied += 1
        denied = WorkingOrder.of(order).after(Happened.DENIED)
        self._clerk.record(order, denied, code=denial.code, detail=denial.detail)
        self._clerk.announce(denied, denial.code, denial.detail)
        level = "INFO" if denial.code == "dry_run" else "WARNING"
        self._notes.log(level, "order denied", **_facts(order), code=denial.code, detail=denial.detail)

    def _conflict(self, order: Order, content: str, row: int) -> Denial:
        """Deny another order under a used id, once on record under an id of its own: the first one stands."""
        own_id = f"{order.client_order_id}#{content}"
        detail = f"the id {order.client_order_id} belongs to an order with other content"
        denial = Denial("duplicate_id", detail)
        if own_id not in self._state.known:
            self._state.known[own_id] = Seen(row, content)
            self._deny(replace(order, client_order_id=own_id), denial)
        return denial

    # --- cancels --------------------------------------------------------------------------------

    def _cancel(self, cancel: Cancel, row: int, *, by_operator: bool) -> Denial | None:
        target = self._state.working.get(cancel.target)
        if target is None:
            return Denial("unknown_order", f"no order {cancel.target!r} is working")
        if not by_operator and cancel.strategy != target.strategy:
            return Denial("not_its_own", f"order {cancel.target!r} belongs to {target.strategy!r}")
        self._clerk.withdraw(target, asked=cancel)
        return None


def _fingerprint(message: Order | Cancel) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(message)).hexdigest()[:16]


def _facts(order: Order) -> dict[str, Any]:
    return {"order": order.client_order_id, "symbol": order.symbol, "side": order.side, "row": order.row}
