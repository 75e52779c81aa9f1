"""What a venue outside answers, taken to the clerk: in any order, repeated or not.

An answer that cannot be ours, or cannot follow what we know, changes nothing and is told. An execution counts
once: by all that was filled of its order (CumQty) a repeat is known, and one that was missed.
"""

from __future__ import annotations

from typing import Any, assert_never

from msgspec.structs import replace

from workers.broker.office import Office
from workers.broker.orders import NEXT, Happened, OrderState, WorkingOrder
from workers.broker.reconciliation import Difference, Gone, differences
from workers.broker.risk import RECONCILIATION, VENUE
from workers.broker.state import Owed
from workers.broker.venue import (
    Accepted,
    Answer,
    Ended,
    Executed,
    Funded,
    Rejected,
    Standing,
    Triggered,
)

_ENDINGS = {"cancelled": Happened.CANCELLED, "expired": Happened.EXPIRED}


class Answers:
    """Owned by the core; changes the state and notes what follows from it."""

    def __init__(self, office: Office) -> None:
        self._state, self._notes, self._risk = office.state, office.notes, office.risk
        self._clerk, self._desk = office.clerk, office.desk

    def awaited(self) -> None:
        """Refuse entries until the account was compared with the venue's."""
        self._risk.curb(VENUE, detail="the venue has not said how the account stands there")

    def take(self, answer: Answer) -> None:
        """Do what an answer entails."""
        match answer:
            case Standing():
                self._reconcile(answer)
            case Funded():
                told = Owed(answer.symbol, answer.at_ms, answer.quantity, answer.mark)
                self._clerk.settle(answer.symbol, answer.at_ms, answer.rate, told)
            case Executed():
                self._executed(answer)
            case Accepted() | Rejected() | Triggered() | Ended():
                self._moved(answer)
            case _:
                assert_never(answer)

    def _moved(self, answer: Accepted | Rejected | Triggered | Ended) -> None:
        order, happened = self._state.working.get(answer.client_order_id), _happened(answer)
        if order is None or (order.state, happened) not in NEXT:
            # Repeated, or overtaken by another answer.
            self._odd(answer.client_order_id, happened.value, order)
        elif isinstance(answer, Ended) and answer.filled not in (None, order.filled):
            self._missed(order, happened.value)
        elif isinstance(answer, Ended) and happened is Happened.CANCELLED:
            self._desk.ended(order, answer.code)
        elif happened is Happened.ACCEPTED:
            # Of a pending cancel: it was refused, and what should have taken its place with it.
            self._clerk.move(replace(order, replacement=None), happened)
        else:
            code, detail = (answer.code, answer.detail) if isinstance(answer, Rejected) else (None, None)
            self._clerk.move(order, happened, code, detail)

    def _executed(self, told: Executed) -> None:
        order = self._state.working.get(told.client_order_id)
        if order is None or told.filled <= order.filled:
            self._odd(told.client_order_id, "filled", order, filled=told.filled)
            return
        if told.filled - told.quantity != order.filled:
            self._missed(order, "filled")
            return
        self._state.at_ms = max(self._state.at_ms, told.at_ms)
        self._clerk.fill(order, told.quantity, told.price, told.liquidity, paid=told.fee)
        self._state.books.check()

    def _reconcile(self, standing: Standing) -> None:
        for execution in standing.executions:
            order = self._state.working.get(execution.client_order_id)
            if order is not None and execution.filled > order.filled:
                self._executed(execution)
        found = differences(self._state, standing)
        for difference in found:
            self._settle(difference)
        critical = [str(difference) for difference in found if difference.critical]
        if critical:
            why = f"the books differ from the venue's account: {'; '.join(critical)}"
            self._risk.curb(RECONCILIATION, detail=why)
        self._notes.log("INFO", "reconciled", differences=len(found), critical=len(critical))
        self._risk.lift(VENUE, "the account was compared with the venue's")

    def _settle(self, difference: Difference) -> None:
        level = "ERROR" if difference.critical else "WARNING"
        self._notes.log(level, "difference", found=str(difference))
        if not isinstance(difference, Gone):
            return
        # One difference may have ended the order of another.
        order = self._state.working.get(difference.order.client_order_id)
        if order is None:
            return
        if order.state is not OrderState.SUBMITTED:
            self._desk.ended(order, "gone_at_venue")
        elif not order.reduce_only:
            # What it saw is over; is it on its way still, the cancel follows it. An exit is sent again.
            self._clerk.withdraw(order, "never_arrived")

    def _missed(self, order: WorkingOrder, what: str) -> None:
        """An execution has not come, and its price is unknown: the next standing brings it."""
        self._odd(order.client_order_id, what, order, missed=True)
        self._risk.curb(VENUE, detail=f"an execution of order {order.client_order_id} was missed")

    def _odd(self, name: str, what: str, order: WorkingOrder | None, **facts: Any) -> None:
        state = None if order is None else order.state.value
        self._notes.log("WARNING", "odd answer", order=name, answer=what, state=state, **facts)


def _happened(answer: Accepted | Rejected | Triggered | Ended) -> Happened:
    match answer:
        case Accepted():
            return Happened.ACCEPTED
        case Rejected():
            return Happened.REJECTED
        case Triggered():
            return Happened.TRIGGERED
        case Ended():
            return _ENDINGS[answer.how]
