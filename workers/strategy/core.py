"""The strategy worker as a pure core: market rows in; signals, orders and "through row n" out.

Each candle is evaluated once and in order. A candle at or before the last one done is passed over, so that
a feed that sends one again changes nothing. A strategy that listens to fills waits at row n until the
broker has said that row n is done, and hears the fills of n first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from msgspec import Struct

from protocol.codec import ACCOUNT, MARKET
from protocol.messages.market import Candle, End, Instrument
from protocol.messages.stream import AccountRole, MarketRole, Record, Role
from protocol.messages.trading import Fill, Order, Signal, Through
from workers.shared.config import Mode
from workers.shared.core import LogLine, Step, Write
from workers.shared.exits import PersonMustLook
from workers.shared.log import iso_ms
from workers.shared.worker import Condition
from workers.strategy.api import Context, Intent, Strategy
from workers.strategy.evaluation import Failure, History, evaluate, notify
from workers.strategy.orders import DIRECTION, Decision, Stance, allowed, orders_for
from workers.strategy.state import StrategyState, Tally, decode, encode
from workers.strategy.tables import stored

BUFFERED: Final = 1000
"""The most records of one input that wait here."""
ROWS_PER_STEP: Final = 500


@dataclass(frozen=True)
class Settings:
    """What of the configuration the core obeys. ``verbose``: a line also for each evaluation that holds."""

    child: str
    mode: Mode = "dry-run"
    auto_execute: bool = True
    min_confidence: Decimal = Decimal(0)
    max_consecutive_errors: int = 10
    verbose: bool = False


@dataclass
class _Produced:
    """What one step has made so far."""

    outputs: list[Struct] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)
    signals: int = 0
    through: Through | None = None
    at_ms: int = 0


class StrategyCore:
    """Drives one user strategy. ``clock`` measures, for the log only, how long a step took."""

    def __init__(
        self, strategy: Strategy, settings: Settings, restored: bytes | None, clock: Callable[[], float]
    ) -> None:
        self._strategy = strategy
        self._settings = settings
        self._clock = clock
        self._market: str | None = None
        self._account: str | None = None
        self._role: MarketRole | None = None
        self._queues: dict[str, deque[Record]] = {}
        self._stance: Stance = "flat"
        self._tally = Tally()
        self._account_through = 0
        self._history = History(max(strategy.warmup, 1))
        if restored is not None:
            self._restore(decode(restored))

    @property
    def listens(self) -> bool:
        """Whether the strategy wants fills."""
        return type(self._strategy).on_fill is not Strategy.on_fill

    def introduce(self, source: str, role: Role) -> None:
        """Learn which input is the market and which the broker. Raises PersonMustLook for any other."""
        if isinstance(role, MarketRole) and self._market in (None, source):
            self._market, self._role = source, role
        elif isinstance(role, AccountRole) and self._account in (None, source):
            self._account = source
        else:
            raise PersonMustLook(self._unusable(source, role))
        self._queues.setdefault(source, deque())

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Take records, in order."""
        self._queues[source].extend(records)

    def room(self, source: str) -> int:
        """Return how many more records of this input may wait."""
        return BUFFERED - len(self._queues.get(source, ()))

    def step(self) -> Step | None:
        """Evaluate the rows that are here; None when there is nothing to do."""
        began = self._clock()
        made = _Produced()
        self._take_account(made)
        self._take_rows(made)
        if not made.cursors:
            return None
        if made.signals:
            facts = {"count": made.signals, "seconds": round(self._clock() - began, 6)}
            made.logs.append(LogLine("INFO", "signals generated", facts))
        return self._as_step(made)

    @property
    def waiting_for(self) -> str | None:
        """Return the broker's id while a row waits for its fills."""
        return self._account if self._next_row() is not None and not self._may_take_row() else None

    def counters(self) -> dict[str, int | str | None]:
        """Return lifetime figures."""
        tally = self._tally
        return {
            "evaluations": tally.evaluations,
            "signals": tally.signals,
            "orders": tally.orders,
            "errors": tally.errors,
            "last_candle": iso_ms(tally.last_open_ms) if tally.last_open_ms >= 0 else None,
        }

    def condition(self) -> Condition:
        """Return the errors of the user's code; degraded after too many in a row."""
        reasons: tuple[str, ...] = ()
        if self._tally.failing >= self._settings.max_consecutive_errors:
            reasons = (f"{self._tally.failing} errors of the strategy in a row",)
        return Condition(errors=self._tally.errors, last_error=self._tally.last_error, reasons=reasons)

    def _take_account(self, made: _Produced) -> None:
        queue = self._queues.get(self._account or "", deque())
        while queue and self._account is not None:
            record = queue.popleft()
            made.cursors[self._account] = record.seq
            message = ACCOUNT.decode(record.body)
            if isinstance(message, Through):
                self._account_through = message.row
            elif isinstance(message, Fill) and message.strategy == self._settings.child and self.listens:
                self._tell_fill(message, made)

    def _tell_fill(self, fill: Fill, made: _Produced) -> None:
        failure = notify(self._strategy, self._context(), fill)
        if failure is not None:
            self._failed(failure, {"symbol": fill.symbol, "fill_id": fill.fill_id}, made)

    def _take_rows(self, made: _Produced) -> None:
        for _ in range(ROWS_PER_STEP):
            if self._market is None or not self._may_take_row():
                break
            self._row(self._queues[self._market].popleft(), made)
        if made.through is not None:
            made.outputs.append(made.through)

    def _row(self, record: Record, made: _Produced) -> None:
        message = MARKET.decode(record.body)
        if isinstance(message, Candle) and self._tally.before(message):
            self._candle(record, message, made)
        if self._market is not None:
            made.cursors[self._market] = record.seq
        made.through = Through(record.seq, isinstance(message, End))
        made.at_ms = record.at_ms

    def _candle(self, record: Record, candle: Candle, made: _Produced) -> None:
        self._history.add(candle, record.body)
        self._tally.took(candle)
        if not self._history.full:
            return
        self._tally.evaluations += 1
        said = evaluate(self._strategy, self._context(), candle)
        facts = {"symbol": candle.symbol, "row": record.seq, "open_time": iso_ms(candle.open_ms)}
        if isinstance(said, Failure):
            self._failed(said, facts, made)
            return
        self._succeeded(facts, made)
        if not said and self._settings.verbose:
            made.logs.append(LogLine("DEBUG", "evaluation", {**facts, "action": "hold"}))
        decision = Decision(self._settings.child, record.seq, candle, self._strategy.parameters.size)
        for nth, intent in enumerate(said):
            self._intent(allowed(intent, self._instrument), decision, nth, made)

    def _intent(self, intent: Intent, decision: Decision, nth: int, made: _Produced) -> None:
        orders: tuple[Order, ...] = ()
        if self._settings.auto_execute and intent.confidence >= self._settings.min_confidence:
            orders = orders_for(intent, self._stance, decision, nth)
        submitted = bool(orders) and self._settings.mode != "dry-run"
        self._signal(intent, decision, submitted, made)
        if orders:
            self._stance = DIRECTION[intent.action]
        for order in orders:
            made.logs.append(_order_line(order, dry_run=not submitted))
        if submitted:
            made.outputs.extend(orders)
            self._tally.orders += len(orders)

    def _signal(self, intent: Intent, decision: Decision, traded: bool, made: _Produced) -> None:
        candle = decision.candle
        signal = Signal(
            strategy=self._settings.child,
            symbol=candle.symbol,
            timeframe=candle.timeframe,
            row=decision.row,
            at_ms=candle.close_ms,
            action=intent.action,
            confidence=intent.confidence,
            reasons=intent.reasons,
            traded=traded,
        )
        made.outputs.append(signal)
        made.writes.append(stored(signal))
        made.logs.append(_evaluation_line(signal))
        made.signals += 1
        self._tally.signals += 1

    def _failed(self, failure: Failure, facts: dict[str, object], made: _Produced) -> None:
        tally = self._tally
        tally.errors += 1
        tally.failing += 1
        tally.last_error = failure.error
        told = {**facts, "error": failure.error, "exception": failure.trace}
        made.logs.append(LogLine("ERROR", "strategy failed", told))
        if tally.failing == self._settings.max_consecutive_errors:
            many = {"symbol": facts["symbol"], "errors_in_a_row": tally.failing, "error": failure.error}
            made.logs.append(LogLine("WARNING", "strategy keeps failing", many))

    def _succeeded(self, facts: dict[str, object], made: _Produced) -> None:
        if self._tally.failing:
            made.logs.append(LogLine("INFO", "recovered", {**facts, "after_errors": self._tally.failing}))
            self._tally.failing = 0

    def _next_row(self) -> int | None:
        queue = self._queues.get(self._market or "")
        return queue[0].seq if queue else None

    def _may_take_row(self) -> bool:
        row = self._next_row()
        return row is not None and (not self.listens or row <= self._account_through)

    def _context(self) -> Context:
        role = self._role
        symbol, timeframe = (role.symbol, role.timeframe) if role else ("", "")
        return Context(symbol, timeframe, self._instrument, self._history.candles)

    @property
    def _instrument(self) -> Instrument:
        return self._role.instrument if self._role else Instrument()

    def _as_step(self, made: _Produced) -> Step:
        return Step(
            outputs=tuple(made.outputs),
            at_ms=made.at_ms,
            cursors=made.cursors,
            state=self._state(),
            writes=tuple(made.writes),
            logs=tuple(made.logs),
        )

    def _state(self) -> bytes:
        return encode(
            StrategyState(
                snapshot=self._strategy.snapshot(),
                stance=self._stance,
                tally=self._tally,
                history=self._history.bodies,
                account_through=self._account_through,
            )
        )

    def _restore(self, state: StrategyState) -> None:
        self._strategy.restore(dict(state.snapshot))
        self._stance = state.stance
        self._tally = state.tally
        self._account_through = state.account_through
        self._history = History(max(self._strategy.warmup, 1), state.history)

    def _unusable(self, source: str, role: Role) -> str:
        kind = type(role).__name__.removesuffix("Role").lower()
        held = f"{self._market!r} is followed already" if isinstance(role, MarketRole) else "a feed is needed"
        return (
            f"{self._settings.child}.config.inputs: {source!r} sends {kind} records, {held}; "
            "name one feed, and the broker for a strategy with on_fill"
        )


def _evaluation_line(signal: Signal) -> LogLine:
    facts = {
        "symbol": signal.symbol,
        "row": signal.row,
        "at": iso_ms(signal.at_ms),
        "action": signal.action,
        "confidence": signal.confidence,
        "reasons": signal.reasons,
        "traded": signal.traded,
    }
    return LogLine("INFO", "evaluation", facts)


def _order_line(order: Order, *, dry_run: bool) -> LogLine:
    facts = {
        "symbol": order.symbol,
        "client_order_id": order.client_order_id,
        "side": order.side,
        "leg": order.leg,
        "reduce_only": order.reduce_only,
        "row": order.row,
        "decided": iso_ms(order.decided_ms),
        "dry_run": dry_run,
    }
    return LogLine("INFO", "order submitted", facts)
