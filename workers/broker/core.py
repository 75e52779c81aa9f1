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
from dataclasses import dataclass
from functools import partial
from typing import Final

from protocol.messages.market import Candle, End, OnEnd
from protocol.messages.stream import MarketRole, OrdersRole, Record, Role
from protocol.messages.tick import MarketState, Quote, Tick
from protocol.messages.trading import Cancel, Order, Through
from workers.broker.answers import Answers
from workers.broker.desk import REMEMBERED_ROWS
from workers.broker.equity import LIVE_EVERY_MS, RECORDED_EVERY_MS
from workers.broker.errors import UnfitInput
from workers.broker.guard import Guard
from workers.broker.instructions import Instructions, Told, tightened
from workers.broker.intake import MarketInbox, StrategyInbox, Taken
from workers.broker.money import text
from workers.broker.notes import Notes
from workers.broker.office import Office, furnish
from workers.broker.risk import STORAGE, VENUE, Risk
from workers.broker.rules import Rules
from workers.broker.state import BrokerState
from workers.broker.state import Instructed as Cursor
from workers.broker.venue import Answer, Venue
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


@dataclass(frozen=True)
class _Market:
    """The market input, the office that serves it, and the venue that its orders go to."""

    source: str
    role: MarketRole
    office: Office
    venue: Venue
    instructions: Instructions
    answers: Answers

    @property
    def lockstep(self) -> bool:
        return self.role.lockstep


class BrokerCore:
    """A pure broker; see :class:`workers.shared.core.Core`. ``inputs`` are the ids of its producers."""

    def __init__(self, inputs: Sequence[str], state: BrokerState, rules: Rules) -> None:
        self._inputs, self._state, self._rules = tuple(inputs), state, rules
        self._notes = Notes(keep=rules.keep_history)
        self._risk = Risk(state, rules.limits, self._notes)
        self._cursors: dict[str, int] = {}
        self._rows = MarketInbox()
        self._market: _Market | None = None
        self._strategies: dict[str, StrategyInbox] = {}
        self._listeners: set[str] = set()
        self._retell = False
        self._told: deque[Told] = deque()
        self._answered: deque[Answer] = deque()
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
                self._retell |= role.listens
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
        if self._retell and self._state.handled:
            # Who begins to listen in the middle waits for a word that nobody needed when the row was handled.
            self._tell_through(market)
        self._retell = False
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

    def answer(self, answers: Sequence[Answer]) -> None:
        """Take what a venue outside has answered, oldest first; ``step`` is wanted then."""
        self._answered.extend(answers)

    @property
    def unreconciled(self) -> bool:
        """Whether a venue outside has to say how the account stands there; entries are refused until then."""
        return self._state.trading.has(VENUE)

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
        market = self._market
        if market is not None and self._state.ticking:
            self._guard.run(lambda: self._pass(market, at_ms))

    def _pass(self, market: _Market, at_ms: int) -> None:
        self._state.at_ms = max(self._state.at_ms, at_ms)
        market.venue.advance(at_ms)

    @property
    def deadline(self) -> float | None:
        """When a step is wanted though nothing was received: something expires or arrives then."""
        if self._market is None or self._now_ms is None or not self._state.ticking:
            return None
        at_ms = self._market.venue.next_ms()
        return None if at_ms is None else self._now + max(at_ms - self._now_ms, 0) / 1000

    def tick(self, source: str, tick: Tick) -> None:
        """Act on a live price at once, before anything that waits; see ``workers.shared.core.Ticking``."""
        market = self._market
        if market is None or market.source != source or market.lockstep or tick.symbol != market.role.symbol:
            return
        received_ms = tick.at_ms if isinstance(tick, MarketState) else tick.received_ms
        now_ms = max(self._now_ms or received_ms, received_ms)
        self._guard.run(lambda: _act(market, tick, now_ms))

    def storage(self, *, available: bool) -> bool:
        """Learn whether the disk takes what is written: while it does not, no entries; exits go on in memory.

        False: all is to wait instead. On a recording nothing may depend on how long the disk was full.
        """
        if self._market is None or self._market.lockstep:
            return False
        if available:
            self._risk.lift(STORAGE, "the disk takes writes again")
        else:
            self._risk.curb(STORAGE, detail="the disk takes no writes")
        return True

    def close(self) -> Step | None:
        """Deal with what is open at an orderly end, as configured, in a last step; None when nothing moves.

        To close a position now takes a quote that is still fresh. Without one the order waits on disk for the
        first price of the next life.
        """
        market, wish = self._market, self._rules.on_shutdown
        if market is None:
            return None
        liquidator = market.office.liquidator
        if wish == "cancel":
            liquidator.cancel_all(market.role.symbol, SHUTDOWN, entries_only=True)
        elif wish == "close":
            closing = liquidator.closing(market.role.symbol, SHUTDOWN)
            if closing is not None and self._now_ms is not None:
                market.venue.hurry(closing, self._now_ms)
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
        funds = self._market.office.desk.funds() if self._market is not None else None
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
        market.office.clerk.deposit(message.open_ms if isinstance(message, Candle) else message.at_ms)
        if ended := isinstance(message, End):
            state.end, state.at_ms = message.on_end, max(state.at_ms, message.at_ms)
        else:
            market.venue.row(message)
        if ended or any(not self._strategies[source].finished(row) for source in self._listeners):
            self._tell_through(market)
        return True

    def _tell_through(self, market: _Market) -> None:
        ended = self._state.end is not None
        self._notes.outputs.append(Through(self._state.handled, end=ended, still=self._still(market)))

    def _still(self, market: _Market) -> bool:
        """Whether the account tells nothing more before somebody orders."""
        return not self._state.working and market.office.liquidator.level(market.role.symbol) is None

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
        row, office = self._state.handled, market.office
        wishes = [wish for one in taken.values() for wish in one.orders]
        for wish in sorted(wishes, key=_rank):
            if isinstance(wish, Cancel):
                office.desk.cancel(wish, row=row)
            else:
                office.desk.order(wish, row=row, stale=self._stale(market, wish, oldest))
        for one in taken.values():
            if one.spent is not None:
                self._risk.spent(one.spent)
        office.desk.forget(row)
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
        """Take what a venue has answered, and do what operators have told, between two rows."""
        moved = bool(self._told or self._answered)
        while self._answered:
            answer = self._answered.popleft()
            self._guard.run(partial(market.answers.take, answer))
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
        rules, state, notes, risk = self._rules, self._state, self._notes, self._risk
        risk.sample_every_ms = RECORDED_EVERY_MS if role.lockstep else LIVE_EVERY_MS
        office = furnish(role, state, rules.terms, notes, risk, dry_run=rules.dry_run)
        venue = rules.venue(office)
        office.clerk.trades_at(venue)
        told = Instructions(
            state, role.symbol, notes, desk=office.desk, risk=risk, liquidator=office.liquidator
        )
        answers = Answers(office)
        if venue.outside:
            answers.awaited()
        return _Market(source, role, office, venue, told, answers)

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


def _act(market: _Market, tick: Tick, now_ms: int) -> None:
    if market.office.marker.tick(tick, now_ms):
        market.venue.tick(tick, now_ms)
        if isinstance(tick, Quote):
            market.office.risk.mark()
