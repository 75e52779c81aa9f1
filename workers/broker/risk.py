"""The risk office: puts curbs in force, lifts them, and says whether an entry may be made.

It has the breakers of ``breakers.py`` and the state of ``trading_state.py``, marks the account to market, and
keeps the equity series. Exits are none of its business: they are always allowed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from protocol.messages.trading import ErrorBudgetSpent, Order, TradeClosed, TradingChanged
from workers.broker import breakers, store
from workers.broker.breakers import BREAKERS, OFF, Limits
from workers.broker.denial import Denial, DenialCode
from workers.broker.equity import LIVE_EVERY_MS, sampled
from workers.broker.ledger import Books
from workers.broker.notes import Notes
from workers.broker.state import BrokerState
from workers.broker.trading_state import KILL_SWITCH, OPERATOR, Curb

MARKET: Final = "market"
STORAGE: Final = "storage"
ERRORS: Final = "errors"
VENUE: Final = "venue"
RECONCILIATION: Final = "reconciliation"
_CODES: Final[dict[str, DenialCode]] = {
    MARKET: "market_unfit",
    STORAGE: "storage",
    OPERATOR: "paused",
    ERRORS: "paused",
}


class Risk:
    """Owned by the core; changes the trading state and notes what follows from it.

    ``sample_every_ms`` is the period of the equity series, in time of the data.
    """

    def __init__(
        self, state: BrokerState, limits: Limits, notes: Notes, *, sample_every_ms: int = LIVE_EVERY_MS
    ) -> None:
        self._state, self._limits, self._notes = state, limits, notes
        self.sample_every_ms = sample_every_ms
        self._marked: tuple[Books | None, int] = (None, -1)

    def refusal(self, order: Order) -> Denial | None:
        """Say why an entry may not be made now; None when it may."""
        curb = self._state.trading.of(order.strategy)
        if order.reduce_only or curb is None:
            return None
        code = "halted" if curb.state == "halted" else _CODES.get(curb.trigger, "reducing")
        return Denial(code, f"no new entries: {curb.trigger}" + (f", {curb.detail}" if curb.detail else ""))

    def mark(self) -> None:
        """Mark the account to market at the present time of the data: breakers, expiry, the equity series."""
        state = self._state
        if state.trading.curbs:
            self.expire()
        period = state.at_ms // self.sample_every_ms
        unchanged = self._marked == (state.books, period)
        if unchanged and (self._limits is OFF or not state.books.positions):
            return
        self._marked = (state.books, period)
        equity = state.books.equity(state.marks)
        for curb in breakers.marked(state.watch, self._limits, equity, state.at_ms):
            self.put(curb)
        if period != state.sampled:
            self._sample(period, equity)

    def expire(self) -> None:
        """Lift the curbs that end by themselves."""
        for change in self._state.trading.expire(self._state.at_ms):
            self._told(change)

    def ordered(self, order: Order) -> None:
        """Count an order that was taken on."""
        for curb in breakers.ordered(self._state.watch, self._limits, order.strategy, self._state.at_ms):
            self.put(curb)

    def closed(self, trade: TradeClosed) -> None:
        """Count a round trip."""
        for curb in breakers.closed(
            self._state.watch, self._limits, trade.strategy, trade.realised, trade.closed_ms
        ):
            self.put(curb)

    def spent(self, last_word: ErrorBudgetSpent) -> None:
        """Pause a strategy whose run has ended by its own errors."""
        state, limits = self._state, self._limits
        for curb in breakers.spent(limits, last_word.strategy, last_word.errors, state.at_ms):
            self.put(curb)

    def put(self, curb: Curb) -> bool:
        """Put a curb in force; False when the same is already."""
        change = self._state.trading.put(curb)
        if change is not None:
            self._told(change, "ERROR" if change.critical else "WARNING")
        return change is not None

    def curb(self, trigger: str, *, strategy: str | None = None, detail: str | None = None) -> bool:
        """Put the curb that belongs to a trigger in force, until it is lifted; False when it is already."""
        breaker = BREAKERS[trigger]
        return self.put(
            Curb(
                trigger=trigger,
                state=breaker.state,
                critical=breaker.critical,
                since_ms=self._state.at_ms,
                strategy=strategy,
                detail=detail,
            )
        )

    def lift(self, trigger: str, detail: str) -> None:
        """Lift the account's curb of one trigger."""
        for change in self._state.trading.lift(
            lambda curb: curb.trigger == trigger and curb.strategy is None, self._state.at_ms, detail
        ):
            self._told(change)

    def resume(self, strategy: str | None, by: str) -> bool:
        """Reset what an operator may reset, of one strategy or of all; False when there was nothing.

        The kill switch stays, and so does what only the world can mend (the market, the disk, the venue).
        """
        fixed = {KILL_SWITCH, MARKET, STORAGE, VENUE}
        changes = self._state.trading.lift(
            lambda curb: curb.trigger not in fixed and strategy in (None, curb.strategy),
            self._state.at_ms,
            f"reset by {by}",
        )
        for change in changes:
            self._told(change)
        breakers.reset(self._state.watch, self._state.books.equity(self._state.marks), strategy)
        return bool(changes)

    def _told(self, change: TradingChanged, level: str = "WARNING") -> None:
        self._state.changes += 1
        self._notes.outputs.append(change)
        self._notes.row("trading", self._state.changes, store.insert_change(self._state.changes, change))
        self._notes.log(
            level,
            "trading state",
            state=change.state,
            trigger=change.trigger,
            strategy=change.strategy,
            until=change.until_ms,
            detail=change.detail,
        )

    def _sample(self, period: int, equity: Decimal) -> None:
        state = self._state
        state.sampled = period
        self._notes.writes.extend(sampled(state.at_ms, equity, state.books.cash, self.sample_every_ms))
