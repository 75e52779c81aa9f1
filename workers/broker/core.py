"""The broker's core: lockstep over rows of the market and the orders of every strategy.

```
   row n of the market              every strategy is through n
        |                                     |
        v                                     v
   HANDLE n: fills of orders      CLOSE n: orders of row <= n, sorted by
   at the open of n; if anyone    (strategy, leg), are admitted or denied     -> row n+1
   listens for it, say Through(n)
```

A row is named by its seq in the market's stream. A step does as many of these as the received records
allow, up to ``ROWS_A_STEP`` rows, and may end between the two. What a row comes to depends on the streams
alone, never on how they were cut into batches, on time or on restarts. In a market that is not in lockstep
nobody waits: orders are admitted as they come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from msgspec.structs import replace

from protocol.messages.market import Candle, End, Instrument, OnEnd
from protocol.messages.stream import MarketRole, OrdersRole, Record, Role
from protocol.messages.tick import MarketState, Tick
from protocol.messages.trading import Cancel, Order, Through
from workers.broker.breakers import OFF, Limits
from workers.broker.clerk import Clerk
from workers.broker.desk import REMEMBERED_ROWS, Desk
from workers.broker.equity import LIVE_EVERY_MS, RECORDED_EVERY_MS
from workers.broker.errors import UnfitInput
from workers.broker.floor import Floor
from workers.broker.funding import FundingSchedule
from workers.broker.guard import Guard
from workers.broker.instructions import Instructions, Told, tightened
from workers.broker.intake import MarketInbox, StrategyInbox, Taken
from workers.broker.liquidation import Liquidator
from workers.broker.matching import Terms
from workers.broker.money import text
from workers.broker.notes import Notes
from workers.broker.pit import STALE_MS, Pit
from workers.broker.risk import STORAGE, Risk
from workers.broker.state import BrokerState
from workers.broker.state import Instructed as Cursor
from workers.shared.core import Step
from workers.shared.log import iso_ms
from workers.shared.worker import Condition

ROWS_A_STEP: Final = 500
MARKET_ROOM: Final = 2_000
STRATEGY_ROOM: Final = 4_000
CHECK_S: Final = 300.0
"""How often the books are looked at even where nothing is traded."""
SHUTDOWN: Final = "shutdown"
NEEDED_ROOM: Final = 500
"""Room for the strategy that all wait for, however much it sent: the orders of one row must fit."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the configuration says of trading. ``dry_run``: orders are recorded and none is submitted."""

    terms: Terms = field(default_factory=Terms)
    limits: Limits = OFF
    schedule: FundingSchedule = field(default_factory=FundingSchedule)
    dry_run: bool = False
    on_shutdown: Literal["keep", "cancel", "close"] = "keep"


@dataclass(frozen=True)
class _Market:
    """The market input, and those who work in it."""

    source: str
    role: MarketRole
    risk: Risk
    liquidator: Liquidator
    floor: Floor
    pit: Pit
    desk: Desk
    instructions: Instructions

    @property
    def lockstep(self) -> bool:
        return self.role.lockstep


class BrokerCore:
    """A pure broker; see :class:`workers.shared.core.Core`. ``inputs`` are the ids of its producers."""

    def __init__(self, inputs: Sequence[str], state: BrokerState, rules: Rules) -> None:
        self._inputs, self._state, self._rules = tuple(inputs), state, rules
        self._notes = Notes()
        self._risk = Risk(state, rules.limits, self._notes)
        self._cursors: dict[str, int] = {}
        self._rows = MarketInbox()
        self._market: _Market | None = None
        self._strategies: dict[str, StrategyInbox] = {}
        self._listeners: set[str] = set()
        self._told: deque[Told] = deque()
        self._journal = state.instructed.journal if state.instructed else ""
        self._guard = Guard(state, self._notes)
        self._now: float = 0.0
        self._now_ms: int | None = None
        self._checked: float | None = None

    # --- the port -------------------------------------------------------------------------------

    def introduce(self, source: str, role: Role) -> None:
        """Learn what an input is. Raises UnfitInput for what a broker cannot use."""
        match role:
            case MarketRole() if self._market is None or self._market.source == source:
                self._market = self._open(source, role)
            case OrdersRole():
                self._strategies.setdefault(source, StrategyInbox())
                (self._listeners.add if role.listens else self._listeners.discard)(source)
            case _:
                raise UnfitInput(source, role, self._market.source if self._market else None)

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Take records of one input, consecutive and in order."""
        if source in self._strategies:
            self._strategies[source].take(records)
        else:
            self._rows.take(records)

    def room(self, source: str) -> int:
        """How many further records of this input may be received now."""
        strategy = self._strategies.get(source)
        if strategy is None:
            return max(MARKET_ROOM - len(self._rows), 0)
        needed = 0 if strategy.finished(self._state.handled) else NEEDED_ROOM
        return max(STRATEGY_ROOM - len(strategy), needed)

    def step(self) -> Step | None:
        """Decide as far as the received records allow; None when something is missing."""
        market = self._market
        if market is None:
            return self._taken() if tightened(self._told, self._state, self._risk, self._notes) else None
        moved = self._follow(market) or not self._notes.empty
        if not all(map(self._knows, self._inputs)):
            return self._taken() if moved else None
        last = self._state.handled + ROWS_A_STEP
        while self._close(market) or (self._state.handled < last and self._handle(market)):
            moved = True
        return self._taken() if moved else None

    def instruct(self, journal: str, told: Sequence[Told]) -> None:
        """Take instructions of the operators' journal ``journal``, consecutive and in order."""
        self._journal = journal
        self._told.extend(told)

    def instructed(self, journal: str) -> int:
        """Return the seq up to which the instructions of a journal were taken; 0 for another journal."""
        if self._told and self._journal == journal:
            return self._told[-1].seq
        done = self._state.instructed
        return done.seq if done is not None and done.journal == journal else 0

    def advance(self, now: float, at_ms: int) -> None:
        """Learn the time; see :class:`workers.shared.worker.Timed`. In a live market time itself acts.

        Raises LedgerBroken when a look at the books, every few minutes, finds that they do not balance.
        """
        self._now, self._now_ms = now, at_ms
        if self._checked is None or now - self._checked >= CHECK_S:
            self._checked = now
            self._state.books.check()
        if self._market is not None and self._state.ticking:
            pit = self._market.pit
            self._guard.run(lambda: pit.advance(at_ms))

    @property
    def deadline(self) -> float | None:
        """When a step is wanted though nothing was received: something expires or arrives then."""
        if self._market is None or self._now_ms is None or not self._state.ticking:
            return None
        at_ms = self._market.pit.next_ms()
        return None if at_ms is None else self._now + max(at_ms - self._now_ms, 0) / 1000

    def tick(self, source: str, tick: Tick) -> None:
        """Act on a live price at once, before anything that waits; see ``workers.shared.core.Ticking``."""
        market = self._market
        if market is None or market.source != source or market.lockstep or tick.symbol != market.role.symbol:
            return
        received_ms = tick.at_ms if isinstance(tick, MarketState) else tick.received_ms
        now_ms = max(self._now_ms or received_ms, received_ms)
        self._guard.run(lambda: market.pit.tick(tick, now_ms))

    def storage(self, *, available: bool) -> bool:
        """Learn whether the disk takes what is written: while it does not, no entries; exits go on in memory.

        False: all is to wait instead. On a recording nothing may depend on how long the disk was full.
        """
        if self._market is None or self._market.lockstep:
            return False
        if available:
            self._market.risk.lift(STORAGE, "the disk takes writes again")
        else:
            self._market.risk.curb(STORAGE, detail="the disk takes no writes")
        return True

    def close(self) -> Step | None:
        """Deal with what is open at an orderly end, as configured, in a last step; None when nothing moves.

        To close a position now takes a quote that is still fresh. Without one the order waits on disk for the
        first price of the next life.
        """
        market, wish = self._market, self._rules.on_shutdown
        if market is None:
            return None
        if wish == "cancel":
            market.liquidator.cancel_all(market.role.symbol, SHUTDOWN, entries_only=True)
        elif wish == "close":
            closing = market.liquidator.closing(market.role.symbol, SHUTDOWN)
            if closing is not None and self._now_ms is not None:
                market.pit.take_now(closing, self._now_ms)
        return None if self._notes.empty else self._taken()

    def condition(self) -> Condition:
        """Say what is wrong: the curbs on trading, and the errors of the guard."""
        state = self._state
        reasons = tuple(
            f"{curb.strategy or 'account'} {curb.state}: {curb.trigger}" for curb in state.trading.curbs
        )
        critical = state.trading.halted or any(curb.critical for curb in state.trading.curbs)
        return Condition(errors=state.errors, last_error=state.last_error, reasons=reasons, critical=critical)

    @property
    def waiting_for(self) -> str | None:
        """The input that was never heard of, or the strategy that has not finished the row."""
        unknown = (source for source in self._inputs if not self._knows(source))
        return next(unknown, None) or self._laggard()

    def counters(self) -> dict[str, int | str | None]:
        """Lifetime figures: orders on record, fills, denied orders; the close of the last candle; what the
        account is worth now, and what of that is free."""
        state = self._state
        last = None if state.last_candle_ms is None else iso_ms(state.last_candle_ms)
        counted = {"orders": state.orders, "fills": state.fills, "denied": state.denied}
        funds = self._market.desk.funds() if self._market is not None else None
        worth = {"equity": text(funds.total), "free": text(funds.free)} if funds is not None else {}
        return {**counted, "last_candle": last, **worth}

    @property
    def finished(self) -> OnEnd | None:
        """What shall follow, once the end of the recording is handled and closed."""
        return self._state.end if self._state.closed >= self._state.handled else None

    # --- rows -----------------------------------------------------------------------------------

    def _handle(self, market: _Market) -> bool:
        """Take the next row of the market; False when the last one is open, or the next is not here."""
        state = self._state
        taken = self._rows.pop() if state.closed == state.handled else None
        if taken is None:
            return False
        row, message = taken
        state.handled = self._cursors[market.source] = row
        if self._state.ticking and isinstance(message, Candle):
            self._live_candle(market, message)
        else:
            market.floor.row(message)
        ended = isinstance(message, End)
        if ended or any(not self._strategies[source].finished(row) for source in self._listeners):
            self._notes.outputs.append(Through(row, end=ended, still=self._still(market)))
        return True

    def _still(self, market: _Market) -> bool:
        """Whether the account tells nothing more before somebody orders."""
        return not self._state.working and market.liquidator.level(market.role.symbol) is None

    def _live_candle(self, market: _Market, candle: Candle) -> None:
        """A candle stands in for the ticks that were missed in its time; else it has nothing new to say."""
        state = self._state
        watched = state.watched_ms <= candle.open_ms and state.quoted_ms >= candle.close_ms - STALE_MS
        if watched and not candle.backfilled:
            state.last_candle_ms = candle.close_ms
            market.floor.fund_until(candle.symbol, candle.close_ms)
        else:
            late = self._now_ms is not None and self._now_ms - candle.close_ms > STALE_MS
            market.floor.row(candle, resting_only=True, replayed=candle.backfilled or late)

    def _close(self, market: _Market) -> bool:
        """Admit the orders that are due. False: no row is open, or a strategy is not through it."""
        state, row = self._state, self._state.handled
        if not market.lockstep:
            return self._close_freely(market)
        if state.closed == row or self._laggard() is not None:
            return False
        self._admit(market, {s: inbox.pop_row(row) for s, inbox in self._strategies.items()}, oldest=row)
        return True

    def _close_freely(self, market: _Market) -> bool:
        taken = {source: inbox.pop_all() for source, inbox in self._strategies.items()}
        moved = self._state.closed < self._state.handled or any(t.last_seq for t in taken.values())
        if moved:
            self._admit(market, taken, oldest=self._state.handled - REMEMBERED_ROWS + 1)
        return moved

    def _admit(self, market: _Market, taken: Mapping[str, Taken], *, oldest: int) -> None:
        row = self._state.handled
        wishes = [wish for one in taken.values() for wish in one.orders]
        for wish in sorted(wishes, key=_rank):
            if isinstance(wish, Cancel):
                market.desk.cancel(wish, row=row)
            else:
                market.desk.order(wish, row=row, stale=self._stale(market, wish, oldest))
        for one in taken.values():
            if one.spent is not None:
                market.risk.spent(one.spent)
        market.desk.forget(row)
        self._cursors.update({source: one.last_seq for source, one in taken.items() if one.last_seq})
        self._state.closed = row

    def _stale(self, market: _Market, order: Order, oldest: int) -> str | None:
        """Say why an order comes too late; on a recording none ages but by its row."""
        if order.row < oldest:
            return f"decided on row {order.row}, which is closed"
        if market.lockstep or self._now_ms is None:
            return None
        age_ms, most_ms = self._now_ms - order.decided_ms, self._most_age_ms(market)
        return f"decided {age_ms} ms ago: at most {most_ms} are allowed" if age_ms > most_ms else None

    def _most_age_ms(self, market: _Market) -> int:
        """R8: a signal may be at most a quarter of its timeframe old, unless the configuration says more."""
        wanted = self._rules.terms.max_age_ms
        return timeframe_ms(market.role.timeframe) // 4 if wanted is None else wanted

    def _follow(self, market: _Market) -> bool:
        """Do what operators have told, between two rows."""
        moved = bool(self._told)
        while self._told:
            told = self._told.popleft()
            market.instructions.follow(told, self._now_ms)
            self._state.instructed = Cursor(self._journal, told.seq)
        return moved

    def _taken(self) -> Step:
        notes, cursors = self._notes.take(), self._cursors
        self._cursors = {}
        return Step(
            outputs=tuple(notes.outputs),
            at_ms=self._state.at_ms,
            cursors=cursors,
            state=self._state.encode(),
            writes=tuple(notes.writes),
            logs=tuple(notes.logs),
        )

    # --- inputs ---------------------------------------------------------------------------------

    def _open(self, source: str, role: MarketRole) -> _Market:
        rules, state, notes, instrument = self._rules, self._state, self._notes, role.instrument
        terms = _with_fees(rules.terms, instrument)
        risk = self._risk
        risk.sample_every_ms = RECORDED_EVERY_MS if role.lockstep else LIVE_EVERY_MS
        clerk = Clerk(state, terms, instrument, notes, risk, permissive=role.lockstep)
        liquidator = Liquidator(state, terms, instrument, clerk)
        floor = Floor(
            state,
            terms,
            instrument,
            notes,
            clerk=clerk,
            risk=risk,
            liquidator=liquidator,
            schedule=rules.schedule,
        )
        desk = Desk(state, terms, role, notes, clerk=clerk, risk=risk, dry_run=rules.dry_run)
        told = Instructions(state, role.symbol, notes, desk=desk, risk=risk, liquidator=liquidator)
        pit = Pit(state, terms, instrument, clerk=clerk, risk=risk, liquidator=liquidator, desk=desk)
        return _Market(source, role, risk, liquidator, floor, pit, desk, told)

    def _knows(self, source: str) -> bool:
        return source in self._strategies or (self._market is not None and self._market.source == source)

    def _laggard(self) -> str | None:
        """The first strategy that has not finished the row that was handled."""
        row = self._state.handled
        if self._market is None or not self._market.lockstep or self._state.closed == row:
            return None
        return next((s for s in self._strategies if not self._strategies[s].finished(row)), None)


def timeframe_ms(timeframe: str) -> int:
    """Return the length of a timeframe such as ``1m``; a minute for what has none (a trade tape)."""
    units = {"m": 60_000, "h": 3_600_000, "D": 86_400_000, "d": 86_400_000}
    count, unit = timeframe[:-1], timeframe[-1:]
    return int(count) * units[unit] if count.isdecimal() and unit in units else 60_000


def _rank(wish: Order | Cancel) -> tuple[str, int, str, str]:
    # The last two decide between orders that a strategy should never have sent side by side.
    return (wish.strategy, wish.leg, wish.client_order_id, repr(wish))


def _with_fees(terms: Terms, instrument: Instrument) -> Terms:
    """R10: fees by instrument; where the venue does not tell them, those of the configuration."""
    maker = terms.maker if instrument.maker is None else instrument.maker
    taker = terms.taker if instrument.taker is None else instrument.taker
    return replace(terms, maker=maker, taker=taker)
