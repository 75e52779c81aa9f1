"""The feed on a living market: what came and the time go in; records, ticks, commands come out. Pure.

    shell --- opened, lost, heard, ponged, answered ---> .----------.
      ^                                                  | LiveCore | --- Step: candles, funding, ticks
      '------ Connect, Disconnect, Say, Ping, Ask <----- '----------'

``advance`` is called before anything is told, so that the core always knows the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from protocol.messages.market import Candle, Funding, Instrument, MarketRecord
from protocol.messages.stream import Record, Role
from protocol.messages.tick import MarketState, Tick
from workers.feed.exchanges.events import (
    BadFrame,
    BestQuote,
    Event,
    GoingAway,
    Kline,
    MarkPrice,
    Pinged,
    Pong,
    Print,
    Refused,
)
from workers.feed.exchanges.port import Exchange, Market, StreamName
from workers.feed.live.backfill import Question
from workers.feed.live.builder import Builder
from workers.feed.live.candles import Candles
from workers.feed.live.commands import Answer, Ask, Command, Say
from workers.feed.live.errors import NoData
from workers.feed.live.funding import FundingClock
from workers.feed.live.hours import Hours
from workers.feed.live.order import Slot
from workers.feed.live.rejects import Rejects
from workers.feed.live.resample import Resampler
from workers.feed.live.skew import Skew
from workers.feed.live.state import Counts, LiveState
from workers.feed.live.ticks import Ticks
from workers.feed.live.wires import Wire, Wires
from workers.shared.core import LogLine, Step
from workers.shared.log import iso_ms
from workers.shared.worker import Condition

SAVE_S: Final = 10.0
"""How long counters may be newer in memory than on disk."""
ANSWER_S: Final = 20.0
"""A question whose answer never comes counts as failed."""
NEVER_MS: Final = 2**62
MOST_LINES: Final = 5
"""More candles than this in one step are told in one line."""
# Known and in order, but not for us: they are left out without being faults.
HARMLESS: Final = frozenset({"duplicate", "order"})
STREAM_OF: Final[dict[type, StreamName]] = {
    Kline: "candles",
    BestQuote: "quotes",
    Print: "trades",
    MarkPrice: "marks",
}


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """What of the configuration the core needs.

    ``market`` has the timeframe that is asked for; ``timeframe`` and ``length_ms`` are those that go out.
    ``poll_s``: ask by REST this often instead of listening. ``from_trades``: make candles of trades.
    ``history``: how many candles to begin with.
    """

    symbol: str
    market: Market
    timeframe: str
    length_ms: int
    base_url: str = ""
    stale_after_s: float = 30.0
    poll_s: float | None = None
    from_trades: bool = False
    history: int = 100
    hours: Hours | None = None


class LiveCore:
    """One market of one exchange. ``chance`` gives numbers in [0, 1); ``wake`` is told of new commands."""

    def __init__(
        self, exchange: Exchange, settings: LiveSettings, state: LiveState, chance: Callable[[], float]
    ) -> None:
        self._exchange, self._settings, self._state = exchange, settings, state
        self._wires = Wires(exchange, settings.market, settings.base_url, chance)
        self._ticks = Ticks(settings.symbol, state.last_close)
        self._funding = FundingClock(state.funding)
        self._rejects = Rejects(state.counts.rejected)
        self._skew = Skew()
        self._now, self._at_ms = 0.0, 0
        self._candles: Candles | None = None
        self._builder: Builder | None = None
        self._records: list[MarketRecord] = []
        self._logs: list[LogLine] = []
        self._commands: list[Command] = []
        self._asked: tuple[Ask, Question | None, float] | None = None
        self._number = 0
        self._poll_at = 0.0
        self._save_at = 0.0
        self._changed = False
        self._market_state: MarketState | None = None
        self._last_data_ms: int | None = None
        self._heard_at: float | None = None
        self._open_now, self._hours_until_ms = True, 0
        self.wake: Callable[[], None] = lambda: None

    def introduce(self, source: str, role: Role) -> None:
        """Do nothing on purpose: a feed has no inputs."""

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Do nothing on purpose: a feed has no inputs."""

    def room(self, source: str) -> int:
        """Return 0: a feed has no inputs."""
        return 0

    def advance(self, now: float, at_ms: int) -> None:
        """Learn the time: monotonic seconds, UTC milliseconds."""
        self._now, self._at_ms = now, at_ms
        if self._exchange_ms >= self._hours_until_ms:
            self._look_at_hours()
        if self._candles is None:
            self._candles = self._begun()
            self._save_at = now + SAVE_S
            self._heard_at = now

    def opened(self, line: str) -> None:
        """Learn that a connection stands."""
        self._wires.opened(line, self._now)

    def lost(self, line: str, why: str) -> None:
        """Learn that a connection could not be made, or was cut."""
        self._wires.lost(line, why, self._now)

    def ponged(self, line: str) -> None:
        """Learn that a ping of the protocol was answered."""
        wire = self._wires.heard(line)
        if wire is not None and wire.clocks is not None:
            wire.clocks.ponged()

    def heard(self, line: str, text: str | bytes) -> None:
        """Take a frame."""
        wire = self._wires.heard(line)
        if wire is None:
            return
        try:
            events = wire.session.parse(text)
        except BadFrame as error:
            self._wires.data(wire, None, self._now)
            self._reject(error.kind, error)
            return
        for event in events:
            self._on_event(wire, event)

    def answered(self, answer: Answer) -> None:
        """Take what came of a question."""
        if self._asked is None or self._asked[0].number != answer.number:
            return
        ask, question, _ = self._asked
        self._asked = None
        if question is None:
            self._on_clock(answer)
        else:
            self._on_history(ask, question, answer)

    def commands(self) -> tuple[Command, ...]:
        """Return what is to be done outside, in order; each once."""
        found, self._commands = tuple(self._commands), []
        return found

    @property
    def deadline(self) -> float | None:
        """When :meth:`step` has something to do though nothing came."""
        if self._candles is None:
            return 0.0
        times = [self._save_at] if self._changed else []
        times.append(self._wires_deadline())
        if self._asked is not None:
            times.append(self._asked[2])
        elif self._settings.poll_s is not None:
            times.append(self._poll_at)
        elif not self._open_now:
            times.append(self._now + (self._hours_until_ms - self._exchange_ms) / 1000)
        else:
            times.append(max(self._candles.deadline(self._now, self._exchange_ms), self._now + 0.05))
            if self._exchange.clock(self._settings.market.kind) is not None:
                times.append(max(self._skew.measure_at, self._candles.backfill.resting_until))
        return min(times)

    def step(self) -> Step | None:
        """Do what is due. Raises NoData when a fresh process should try."""
        if self._candles is None:
            return None
        self._check_life()
        self._plan_questions(self._candles)
        if self._builder is not None:
            for kline in self._builder.closed(self._exchange_ms):
                self._candles.saw(_closed(kline), self._now, self._exchange_ms)
        self._release(self._candles)
        ticks = (*self._ticks.take(), *self._news_of_market(self._candles))
        self._hand_over_commands()
        return self._written(self._candles, ticks)

    @property
    def waiting_for(self) -> str | None:
        """Return None: a feed waits for nobody of ours."""
        return None

    def counters(self) -> dict[str, int | str | None]:
        """Return lifetime figures and the state of connection and stream."""
        counts = self._counts()
        candles = self._candles
        return {
            "candles": counts.candles,
            "ticks": counts.ticks,
            "rejected": counts.rejected,
            "gaps": counts.gaps,
            "reconnects": counts.reconnects,
            "last_candle": None if self._state.close_ms is None else iso_ms(self._state.close_ms),
            "backfilled": counts.backfilled,
            "revisions": counts.revisions,
            "quarantined": 0 if candles is None else candles.quarantined,
            "connection": self._connection(),
            "gap": "yes" if candles is not None and candles.gap(self._exchange_ms) else "no",
            "skew_ms": self._skew.ms,
        }

    def condition(self) -> Condition:
        """Return what is wrong with the market's data."""
        return Condition(reasons=self._reasons(), last_data_ms=self._last_data_ms)

    def learned(self, instrument: Instrument) -> None:
        """Remember the market's grids for a start at which the exchange cannot be asked."""
        if instrument != self._state.instrument:
            self._state.instrument = instrument
            self._changed = True

    @property
    def _exchange_ms(self) -> int:
        return self._at_ms + (self._skew.ms or 0)

    def _look_at_hours(self) -> None:
        hours = self._settings.hours
        if hours is not None:
            self._open_now = hours.open_at(self._exchange_ms)
        change_ms = None if hours is None else hours.next_change_ms(self._exchange_ms)
        self._hours_until_ms = NEVER_MS if change_ms is None else change_ms

    def _begun(self) -> Candles:
        base_ms, state = self._settings.market.timeframe_ms, self._state
        forming_ms = self._exchange_ms - self._exchange_ms % base_ms
        fresh = state.last_open_ms is None
        longer = self._settings.length_ms > base_ms
        history_ms = self._settings.history * self._settings.length_ms
        start_ms = (forming_ms - history_ms) // self._settings.length_ms * self._settings.length_ms
        if self._settings.from_trades:
            self._builder = Builder(base_ms, self._exchange_ms)
        return Candles(
            base_ms,
            min(start_ms, forming_ms) - base_ms if state.last_open_ms is None else state.last_open_ms,
            resampler=Resampler(base_ms, self._settings.length_ms, state.part) if longer else None,
            last_close=state.last_close,
            fresh=fresh,
        )

    def _on_event(self, wire: Wire, event: Event) -> None:
        match event:
            case Kline() | BestQuote() | Print() | MarkPrice():
                self._on_data(wire, event)
            case Pong():
                if wire.clocks is not None:
                    wire.clocks.ponged()
            case Pinged(answer):
                self._commands.append(Say(wire.line.name, answer))
            case GoingAway(why):
                self._wires.renew(wire.line.name, why, self._now)
            case Refused(why):
                self._reject("refused", why)
            case _:
                return

    def _on_data(self, wire: Wire, event: Kline | BestQuote | Print | MarkPrice) -> None:
        self._wires.data(wire, STREAM_OF[type(event)], self._now)
        self._note_time(event.at_ms)
        fault = self._taken(event)
        if fault is None or fault in HARMLESS:
            self._wires.good(wire)
        else:
            self._reject(fault, event)

    def _note_time(self, at_ms: int | None) -> None:
        self._last_data_ms = self._at_ms
        if at_ms is not None and abs(at_ms - self._at_ms) < 3_600_000:
            self._skew.heard(at_ms, self._at_ms, self._now)

    def _taken(self, event: Kline | BestQuote | Print | MarkPrice) -> str | None:
        match event:
            case Kline():
                candles = self._candles
                if candles is None or self._builder is not None:
                    return None
                return candles.saw(event, self._now, self._exchange_ms)
            case BestQuote():
                return self._ticks.quote(event, self._at_ms, self._exchange_ms)
            case Print():
                return self._on_print(event)
            case MarkPrice():
                return self._on_mark(event)

    def _on_print(self, trade: Print) -> str | None:
        fault = self._ticks.trade(trade, self._at_ms, self._exchange_ms)
        if fault is None and self._builder is not None:
            self._builder.take(trade)
        return fault

    def _on_mark(self, mark: MarkPrice) -> str | None:
        fault = self._ticks.mark(mark, self._at_ms, self._exchange_ms)
        if fault is None and (over := self._funding.take(mark)) is not None:
            funding = Funding(symbol=self._settings.symbol, at_ms=over.at_ms, rate=over.rate)
            self._records.append(funding)
            self._logs.append(LogLine("INFO", "funding", {"symbol": funding.symbol, "rate": over.rate}))
        return fault

    def _on_clock(self, answer: Answer) -> None:
        if answer.status != 200:
            return
        try:
            told_ms = self._exchange.parse_clock(answer.body)
        except BadFrame as error:
            self._reject(error.kind, error)
        else:
            self._skew.told(told_ms, answer.sent_ms, answer.received_ms, self._now)

    def _on_history(self, ask: Ask, question: Question, answer: Answer) -> None:
        candles = self._candles
        assert candles is not None  # a question is asked by candles
        found: tuple[Kline, ...] = ()
        why = answer.why or f"status {answer.status}"
        if answer.status == 200:
            try:
                found, why = self._exchange.parse_history(self._settings.market, answer.body), ""
            except BadFrame as error:
                why = str(error)
        if why:
            candles.failed(self._now, self._exchange_ms, answer.status, answer.retry_after_s)
            level = "ERROR" if answer.status == 418 else "WARNING"
            rests_s = round(candles.backfill.resting_until - self._now, 1)
            facts = {"path": ask.request.path, "why": why, "status": answer.status, "rests": rests_s}
            self._logs.append(LogLine(level, "history not answered", facts))
            return
        if self._settings.poll_s is not None:
            self._heard_at, self._last_data_ms = self._now, self._at_ms
        for kline, fault in candles.answered(question, found, self._exchange_ms):
            self._reject(fault, kline)

    def _check_life(self) -> None:
        settings, now = self._settings, self._now
        if settings.poll_s is not None:
            silence = now - (self._heard_at or now)
            limit = max(settings.stale_after_s, 3 * settings.poll_s)
        else:
            self._wires.check(now, self._at_ms, market_open=self._open_now)
            silence, limit = self._wires.silence(now), settings.stale_after_s
        if not self._open_now:
            self._heard_at = now
            return
        market = f"{self._exchange.name} {settings.symbol}"
        if silence >= limit:
            raise NoData(market=market, found=f"no data for {silence:.0f} s")
        if (wire := self._wires.exhausted) is not None:
            found = f"{wire.reconnect.failures} connections in a row failed, the last: {wire.trouble}"
            raise NoData(market=market, found=found)

    def _plan_questions(self, candles: Candles) -> None:
        now = self._now
        if self._asked is not None:
            if now >= self._asked[2]:
                self.answered(
                    Answer(self._asked[0].number, self._at_ms, self._at_ms, why="no answer in time")
                )
            return
        kind, resting = self._settings.market.kind, now < candles.backfill.resting_until
        clock = self._exchange.clock(kind)
        if clock is not None and now >= self._skew.measure_at and not resting:
            self._skew.asked(now)
            self._ask(Ask(self._next_number(), "clock", clock), None)
        elif (question := self._next_question(candles, resting=resting)) is not None:
            request = self._exchange.history(self._settings.market, question.start_ms, question.count)
            self._ask(Ask(self._next_number(), "candles", request), question)
        self._skew.judge(now)

    def _next_question(self, candles: Candles, *, resting: bool) -> Question | None:
        if self._settings.poll_s is None:
            return candles.question(self._now, self._exchange_ms) if self._open_now else None
        if resting or self._now < self._poll_at:
            return None
        self._poll_at = self._now + self._settings.poll_s
        return candles.poll(self._exchange_ms)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _ask(self, ask: Ask, question: Question | None) -> None:
        self._asked = (ask, question, self._now + ANSWER_S)
        self._commands.append(ask)

    def _release(self, candles: Candles) -> None:
        self._skip_closed_hours(candles)
        slots = candles.take(self._now, self._exchange_ms)
        self._logs += candles.logs
        candles.logs.clear()
        for slot in slots:
            self._records.append(self._candle(slot))
        self._log_candles(slots)
        if slots and candles.last_close is not None:
            self._ticks.reference = candles.last_close

    def _skip_closed_hours(self, candles: Candles) -> None:
        hours, base_ms = self._settings.hours, self._settings.market.timeframe_ms
        if hours is None:
            return
        open_ms = candles.last_open_ms + base_ms
        # A candle that reaches into a session belongs to it.
        while open_ms + base_ms <= self._exchange_ms and not (
            hours.open_at(open_ms) or hours.open_at(open_ms + base_ms - 1)
        ):
            open_ms += base_ms
        if open_ms > candles.last_open_ms + base_ms:
            candles.jump(open_ms)

    def _candle(self, slot: Slot) -> Candle:
        kline = slot.kline
        assert kline is not None  # Candles gives out slots that hold one
        close_ms = slot.open_ms + self._settings.length_ms
        self._state.close_ms = close_ms
        self._state.counts.candles += 1
        self._state.counts.backfilled += slot.backfilled
        return Candle(
            symbol=self._settings.symbol,
            timeframe=self._settings.timeframe,
            open_ms=slot.open_ms,
            close_ms=close_ms,
            open=kline.open,
            high=kline.high,
            low=kline.low,
            close=kline.close,
            volume=kline.volume,
            backfilled=slot.backfilled,
        )

    def _log_candles(self, slots: Sequence[Slot]) -> None:
        for slot in slots[-1:] if len(slots) > MOST_LINES else slots:
            assert slot.kline is not None
            facts = {
                "symbol": self._settings.symbol,
                "timeframe": self._settings.timeframe,
                "open_time": iso_ms(slot.open_ms),
                "close": slot.kline.close,
                "volume": slot.kline.volume,
                "backfilled": slot.backfilled,
            }
            if len(slots) > MOST_LINES:
                facts["count"] = len(slots)
            self._logs.append(LogLine("INFO", "candle closed", facts))

    def _news_of_market(self, candles: Candles) -> tuple[Tick, ...]:
        polled = self._settings.poll_s is not None
        state = MarketState(
            symbol=self._settings.symbol,
            at_ms=0,
            connected=polled or self._wires.connected,
            gap=candles.gap(self._exchange_ms),
            stale=not polled and self._open_now and self._wires.stale(self._now),
            open=self._open_now,
            skew_ms=self._skew.ms,
        )
        if state == self._market_state:
            return ()
        self._market_state = state
        return (msgspec.structs.replace(state, at_ms=self._at_ms),)

    def _hand_over_commands(self) -> None:
        self._commands += self._wires.commands
        self._wires.commands.clear()
        if self._commands:
            self.wake()

    def _written(self, candles: Candles, ticks: tuple[Tick, ...]) -> Step | None:
        records, logs = tuple(self._records), (*self._wires.logs, *self._logs)
        self._records, self._logs = [], []
        self._wires.logs.clear()
        self._changed = self._changed or bool(ticks or logs)
        saves = bool(records) or (self._changed and self._now >= self._save_at)
        if not (saves or ticks or logs):
            return None
        if saves:
            self._changed, self._save_at = False, self._now + SAVE_S
        return Step(
            outputs=records,
            at_ms=self._state.close_ms or self._at_ms,
            state=self._stored(candles) if saves else None,
            logs=logs,
            ticks=ticks,
        )

    def _stored(self, candles: Candles) -> bytes:
        state = msgspec.structs.replace(
            self._state,
            last_open_ms=candles.last_open_ms,
            last_close=candles.last_close,
            part=None if candles.resampler is None else candles.resampler.part,
            funding=self._funding.pending,
            counts=self._counts(),
        )
        return msgspec.msgpack.encode(state)

    def _counts(self) -> Counts:
        before, candles = self._state.counts, self._candles
        return Counts(
            candles=before.candles,
            ticks=before.ticks + self._ticks.count,
            rejected=self._rejects.total,
            gaps=before.gaps + (0 if candles is None else candles.gaps),
            reconnects=before.reconnects + self._wires.reconnects,
            revisions=before.revisions + (0 if candles is None else candles.revisions),
            backfilled=before.backfilled,
        )

    def _connection(self) -> str:
        if self._settings.poll_s is not None:
            return "polling"
        if not self._open_now:
            return "market closed"
        return "connected" if self._wires.connected else "reconnecting"

    def _reasons(self) -> tuple[str, ...]:
        found = [] if self._settings.poll_s is not None else list(self._wires.reasons(self._now))
        if self._candles is not None:
            if self._candles.gap(self._exchange_ms):
                found.append("gap in the candles")
            if self._candles.quarantined:
                found.append("a candle is in quarantine")
            if self._now < self._candles.backfill.resting_until:
                found.append("REST rests")
        if self._skew.too_large:
            found.append(f"clock skew {self._skew.ms} ms")
        return tuple(found)

    def _reject(self, kind: str, found: object) -> None:
        line = self._rejects.note(kind, found, self._now)
        if line is not None:
            self._logs.append(line)

    def _wires_deadline(self) -> float:
        if self._settings.poll_s is not None:
            limit = max(self._settings.stale_after_s, 3 * self._settings.poll_s)
            return (self._heard_at or self._now) + limit
        found = self._wires.deadline(self._settings.stale_after_s)
        return self._now + 1.0 if found is None else found


def _closed(kline: Kline) -> Kline:
    return Kline.of(
        kline.open_ms, (kline.open, kline.high, kline.low, kline.close, kline.volume), closed=True
    )
