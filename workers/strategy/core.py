"""The strategy worker as a pure core: market rows in; signals, orders and "through row n" out.

```
   rows, in one order over all markets -> window of the market -> user code -> wishes -> desk -> signals,
   orders fills, order states ----------------> book, on_fill              ^
   live prices, the interval ---------------------------------------'
```

Each candle is evaluated once and in order. A candle at or before the last one done is passed over, so that
a feed that sends one again changes nothing. A strategy whose inputs name the broker waits at row n of a
recording until the broker has said that row n is done, and hears the fills of n first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from protocol.codec import ACCOUNT, MARKET
from protocol.messages.market import Candle, End
from protocol.messages.stream import Record, Role
from protocol.messages.tick import Tick
from protocol.messages.trading import Fill, OrderChanged, Through
from workers.shared.core import LogLine, Step
from workers.shared.log import iso_ms
from workers.shared.worker import Condition
from workers.strategy.api import Context, Price, Strategy
from workers.strategy.asking import Asking, Question
from workers.strategy.desk import Desk, Settings
from workers.strategy.guard import UNGUARDED, Guard
from workers.strategy.horizon import Horizon
from workers.strategy.inputs import AccountForgotten, Inputs
from workers.strategy.interval import Interval
from workers.strategy.moment import LATE_MS, Moment, at_close, at_interval, at_price
from workers.strategy.produced import Produced
from workers.strategy.rows import Lane
from workers.strategy.snapshot import given_back, snapshot_of
from workers.strategy.state import VERSION, StrategyState, UnreadableState, decode, encode
from workers.strategy.troubles import Troubles
from workers.strategy.wishes import Wish

__all__ = ["Settings", "StrategyCore"]

ROWS_PER_STEP: Final = 500
STEP_S: Final = 0.2
"""After so long a step takes nothing more: only between steps can the process say that it lives."""
AT_LEAST: Final = 2
"""Fewer candles are no history, whatever the strategy says."""


@dataclass(frozen=True)
class Surroundings:
    """What the core has from outside. ``clock`` measures how long a step takes, which changes nothing but
    where steps end; ``guard`` is asked before each evaluation whether what runs is still what was chosen."""

    clock: Callable[[], float]
    guard: Guard = UNGUARDED


class StrategyCore:
    """Drives one user strategy. ``inputs`` are the ids of its producers; the first market among them
    leads."""

    def __init__(
        self,
        strategy: Strategy,
        settings: Settings,
        restored: bytes | None,
        around: Surroundings,
        *,
        inputs: Sequence[str] = ("feed",),
    ) -> None:
        self._strategy, self._settings, self._around = strategy, settings, around
        kept = StrategyState() if restored is None else decode(restored, settings.child)
        if restored is not None and not settings.discard_snapshot:
            self._restore(kept)
        self._kept, self._tally = kept, kept.tally
        self._names = tuple(inputs)
        self._inputs = Inputs(settings.child, inputs, kept, max(strategy.warmup, AT_LEAST))
        self._desk = Desk(settings, kept.book, kept.tally)
        self._troubles = Troubles(
            kept.tally, warn_at=settings.max_consecutive_errors, budget=settings.error_budget
        )
        self._asking = Asking(settings.child, strategy, self._desk, kept.book, self._troubles, around.guard)
        self._interval = Interval(settings.interval_ms, kept.cycle_ms)
        self._horizon = Horizon(kept.account_through, kept.done_row)
        self._now, self._at_ms, self._ticks = 0.0, 0, 0
        self._began = 0.0

    # --- the port -------------------------------------------------------------------------------

    @property
    def listens(self) -> bool:
        """Whether the strategy may want fills: it hears them, or its inputs name more than one feed."""
        return len(self._names) > 1 or type(self._strategy).on_fill is not Strategy.on_fill

    def introduce(self, source: str, role: Role) -> None:
        """Learn which inputs are markets and which the broker. Raises PersonMustLook for any other."""
        self._inputs.introduce(source, role)
        self._desk.account = self._inputs.account
        self._desk.watches = {watch.role.symbol: watch for watch in self._inputs.watches.values()}
        if self._inputs.known and (leading := self._inputs.leading) is not None:
            self._around.guard.fits(leading.role.symbol, leading.role.timeframe)

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Take records, in order."""
        self._inputs.receive(source, records)

    def room(self, source: str) -> int:
        """Return how many more records of this input may wait."""
        return self._inputs.room(source)

    def tick(self, source: str, tick: Tick) -> None:
        """Take a live price of a market."""
        self._inputs.tick(source, tick)

    def advance(self, now: float, at_ms: int) -> None:
        """Learn the time; the interval of live markets counts by it."""
        self._interval.begin(now)
        self._now, self._at_ms = now, at_ms

    @property
    def deadline(self) -> float | None:
        """When the interval is over; None on recordings, where it is counted in time of the data."""
        return None if self._inputs.lockstep else self._interval.deadline

    def step(self) -> Step | None:
        """Evaluate what is here; None when there is nothing to do. Raises when the errors are too many."""
        self._troubles.check()
        self._began = self._around.clock()
        made = Produced()
        self._take_news(made)
        self._take_rows(made)
        self._take_prices(made)
        self._take_cycle(made)
        if not made.anything:
            return None
        if made.signals or made.cycled:
            facts = {"count": made.signals, "seconds": round(self._took_s, 6)}
            made.logs.append(LogLine("INFO", "signals generated", facts))
        return self._as_step(made)

    @property
    def _took_s(self) -> float:
        return self._around.clock() - self._began

    @property
    def waiting_for(self) -> str | None:
        """Return the input without which the next row cannot be taken."""
        if (stranger := self._inputs.stranger) is not None:
            return stranger
        lane = self._inputs.rows.next()
        if lane is None:
            return self._inputs.rows.missing
        return self._inputs.account if self._waits_for_fills(lane) else None

    def counters(self) -> dict[str, int | str | None]:
        """Return lifetime figures; times are those of the data, but for the heartbeat's."""
        tally = self._tally
        return {
            "evaluations": tally.evaluations,
            "signals": tally.signals,
            "orders": tally.orders,
            "errors": tally.errors,
            "last_candle": _iso(tally.last_candle_ms),
            "last_heartbeat": _iso(self._at_ms or tally.last_heartbeat_ms),
        }

    def condition(self) -> Condition:
        """Return the errors of the user's code; degraded after too many in a row."""
        return self._troubles.condition()

    # --- what came in ---------------------------------------------------------------------------

    def _take_news(self, made: Produced) -> None:
        inputs, child = self._inputs, self._settings.child
        while inputs.news and inputs.account is not None and self._took_s < STEP_S:
            record = inputs.news.popleft()
            made.cursors[inputs.account] = record.seq
            own = self._hears(inputs.account, record.seq)
            message = ACCOUNT.decode(record.body)
            if isinstance(message, Through):
                self._horizon.heard(message)
            elif isinstance(message, Fill | OrderChanged) and message.strategy == child and own:
                self._kept.book.heard(message)
                if isinstance(message, Fill):
                    self._tell_fill(message, made)

    def _hears(self, account: str, seq: int) -> bool:
        """Whether news of its own orders are those of this strategy, and of all its orders.

        Where the broker has forgotten its first records, one that never ordered is new; what is told of its
        orders is of an earlier one by its name, and would make up half a position.
        """
        kept, ordered = self._kept, self._tally.orders > 0
        if not kept.account_from:
            kept.account_from = 1 if kept.account_through else seq
            if kept.account_from > 1 and ordered:
                raise AccountForgotten(self._settings.child, account, seq)
        return kept.account_from == 1 or ordered

    def _tell_fill(self, fill: Fill, made: Produced) -> None:
        if (watch := self._desk.watches.get(fill.symbol)) is not None:
            # The fills of a row are heard before the row itself.
            row = self._row_now + 1 if self._inputs.lockstep else self._row_now
            self._asking.tell_fill(fill, watch, row, made)

    def _take_rows(self, made: Produced) -> None:
        rows = self._inputs.rows
        for _ in range(ROWS_PER_STEP):
            lane = rows.next()
            if lane is None or self._waits_for_fills(lane) or self._done_for_now:
                break
            if self._asking.waits and not self._answered(lane, made):
                break
            self._row(lane, made)
        self._tell_through(made)

    @property
    def _done_for_now(self) -> bool:
        return self._troubles.spent or self._took_s >= STEP_S

    def _tell_through(self, made: Produced) -> None:
        rows = self._inputs.rows
        if (through := rows.finished_row()) is not None:
            made.outputs.append(Through(through, rows.over))

    def _row(self, lane: Lane, made: Produced) -> None:
        rows, record = self._inputs.rows, lane.queue[0]
        if not lane.leads:
            self._tell_through(made)  # what follows belongs to the next row
        message = MARKET.decode(record.body)
        over = rows.over
        watch = self._inputs.watches[lane.source]
        watch.ended = watch.ended or isinstance(message, End)
        row = rows.pop(lane, ended=watch.ended)
        if isinstance(message, Candle) and not over and watch.take(message, record.body):
            self._candle(message, at_close(watch, row, message, self._live_ms), made)
        if lane is rows.leading:
            self._recorded_cycle(at_interval(watch, row, record.at_ms), made)
        made.cursors[lane.source] = record.seq
        made.at_ms = record.at_ms

    def _candle(self, candle: Candle, moment: Moment, made: Produced) -> None:
        self._tally.last_candle_ms = candle.open_ms
        if moment.watch.full:
            self._tally.evaluations += 1
            wishes = self._asking.ask(lambda context: self._strategy.on_candle(context, candle), moment, made)
            if wishes is not None:
                self._heard(wishes, moment, made)

    def _answered(self, lane: Lane, made: Produced) -> bool:
        """Whether the strategy can be asked about the next row; it may have to ask somebody first."""
        watch, record = self._inputs.watches[lane.source], lane.queue[0]
        message = MARKET.decode(record.body)
        if self._inputs.rows.over:
            return True
        row = self._row_now + 1
        closes = message if isinstance(message, Candle) and watch.newer(message) else None
        if closes is not None and watch.completes(closes):
            moment = at_close(watch, row, closes, self._live_ms)
            if not self._asking.ready(moment, closes, closes, made):
                return False
        cycles = self._inputs.lockstep and lane.leads and self._interval.due_in_data(record.at_ms)
        if not cycles or not (watch.full or (closes is not None and watch.completes(closes))):
            return True
        return self._asking.ready(at_interval(watch, row, record.at_ms), None, closes, made)

    def _take_prices(self, made: Produced) -> None:
        inputs = self._inputs
        while inputs.prices and not self._troubles.spent:
            source, price = inputs.prices.popleft()
            watch = inputs.watches[source]
            if watch.full:
                self._ticks += 1
                moment = at_price(watch, self._row_now, price, self._ticks, self._at_ms)
                self._at_once(partial(self._on_tick, price), moment, made)

    def _on_tick(self, price: Price, context: Context) -> Sequence[Wish]:
        return self._strategy.on_tick(context, price)

    # --- the interval ---------------------------------------------------------------------------

    def _recorded_cycle(self, moment: Moment, made: Produced) -> None:
        if self._inputs.lockstep and self._interval.take_in_data(moment.at_ms):
            self._cycle(moment, made)

    def _take_cycle(self, made: Produced) -> None:
        leading = self._inputs.leading
        if self._inputs.lockstep or leading is None:
            return
        since_ms = self._interval.due(self._now, self._at_ms)
        if since_ms is None:
            return
        late = self._at_ms - since_ms > max(self._settings.interval_ms, LATE_MS)
        moment = at_interval(leading, self._row_now, since_ms, late=late)
        if self._asking.waits and leading.full and not self._asking.ready(moment, None, None, made):
            return
        self._interval.take(self._now)
        self._cycle(moment, made)

    def _cycle(self, moment: Moment, made: Produced) -> None:
        made.cycled = made.changed = True
        if moment.watch.full and not self._troubles.spent:
            self._tally.evaluations += 1
            self._at_once(self._strategy.on_interval, moment, made)

    # --- what user code wants -------------------------------------------------------------------

    def _at_once(self, question: Question, moment: Moment, made: Produced) -> None:
        """Ask between candles: only what is wanted, or fails, is worth a commit."""
        wishes = self._asking.ask(question, moment, made)
        if wishes:
            self._heard(wishes, moment, made)

    def _heard(self, wishes: tuple[Wish, ...], moment: Moment, made: Produced) -> None:
        if self._tally.failing:
            made.logs += self._troubles.recovered(moment.facts())
        self._troubles.successes += 1
        if wishes:
            made.changed = True
            self._desk.decide(wishes, moment, made)
            self._horizon.asked(moment.row)
        elif self._settings.verbose:
            made.logs.append(LogLine("DEBUG", "evaluation", {**moment.facts(), "action": "hold"}))

    # --- what is kept ---------------------------------------------------------------------------

    def _as_step(self, made: Produced) -> Step:
        kept = made.cursors or made.outputs or made.changed
        return Step(
            outputs=tuple(made.outputs),
            at_ms=made.at_ms or self._at_ms,
            cursors=made.cursors,
            state=self._state() if kept else None,
            writes=tuple(made.writes),
            logs=tuple(made.logs),
        )

    def _state(self) -> bytes:
        kept, rows = self._kept, self._inputs.rows
        kept.version, kept.strategy, kept.strategy_version = VERSION, self._name, self._strategy.version
        for source, watch in self._inputs.watches.items():
            kept.markets[source] = watch.kept()
        kept.done_row = rows.done_row
        kept.account_through, kept.cycle_ms = self._horizon.through, self._interval.last_ms
        kept.tally.last_heartbeat_ms = self._at_ms or kept.tally.last_heartbeat_ms
        kept.snapshot = snapshot_of(self._strategy)
        return encode(kept)

    def _restore(self, kept: StrategyState) -> None:
        """Give the strategy back what it knew; another strategy begins with what the market was."""
        if kept.strategy != self._name:
            return
        if kept.strategy_version != self._strategy.version:
            problem = (
                f"its snapshot is of version {kept.strategy_version} of {self._name}, which is now "
                f"{self._strategy.version}"
            )
            raise UnreadableState(self._settings.child, problem)
        failure = given_back(self._strategy, kept.snapshot)
        if failure is not None:
            problem = f"{self._name} does not take its snapshot back ({failure.error})"
            raise UnreadableState(self._settings.child, problem)

    @property
    def _name(self) -> str:
        return type(self._strategy).__qualname__

    @property
    def _live_ms(self) -> int | None:
        return None if self._inputs.lockstep or not self._at_ms else self._at_ms

    @property
    def _row_now(self) -> int:
        return self._inputs.rows.done_row

    def _waits_for_fills(self, lane: Lane) -> bool:
        inputs = self._inputs
        if inputs.account is None or not inputs.lockstep or inputs.rows.over:
            return False
        return not self._horizon.allows(inputs.rows.row_of(lane))


def _iso(time_ms: int | None) -> str | None:
    return iso_ms(time_ms) if time_ms is not None else None
