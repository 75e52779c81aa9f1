"""The feed on a living market: what came and the time go in; records, ticks, commands come out. Pure.

    shell --- opened, lost, heard, ponged, answered ---> .----------.
      ^                                                  | LiveCore | --- Step: candles, funding, ticks
      '------ Connect, Disconnect, Say, Ping, Ask <----- '----------'

``advance`` is called before anything is told, so that the core always knows the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from protocol.messages.market import Candle, Instrument
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
from workers.feed.exchanges.port import Exchange
from workers.feed.live import health, outlet
from workers.feed.live.begin import begun
from workers.feed.live.builder import Builder
from workers.feed.live.candles import Candles
from workers.feed.live.commands import Answer, AtWork, Command, Say
from workers.feed.live.errors import NoData
from workers.feed.live.funding import FundingClock
from workers.feed.live.opening import Opening
from workers.feed.live.outbox import Outbox
from workers.feed.live.questions import Questions
from workers.feed.live.rejects import Rejects
from workers.feed.live.settings import LiveSettings, Moment
from workers.feed.live.skew import Skew
from workers.feed.live.state import Counts, LiveState
from workers.feed.live.ticks import Ticks
from workers.feed.live.wires import STREAM_OF, Wire, Wires
from workers.shared.core import Step
from workers.shared.log import iso_ms
from workers.shared.worker import Condition

# Known and in order, but not for us: they are left out without being faults.
HARMLESS: Final = frozenset({"duplicate", "order"})


class LiveCore:
    """One market of one exchange. ``chance`` gives numbers in [0, 1); ``wake`` is told of new commands.

    ``at_work`` says how much the shell has under way, for the counters.
    """

    def __init__(
        self, exchange: Exchange, settings: LiveSettings, state: LiveState, chance: Callable[[], float]
    ) -> None:
        self._exchange, self._settings, self._state = exchange, settings, state
        self._wires = Wires(exchange, settings.market, settings.base_url, chance)
        self._ticks = Ticks(settings.symbol, state.last_close)
        asks = exchange.fundings(settings.market, 0, 0) is not None
        self._funding = FundingClock(state.funding, state.funded_ms, asks=asks)
        self._rejects = Rejects(state.counts.rejected)
        self._skew = Skew()
        self._questions = Questions(exchange, settings, self._skew, self._funding, self._rejects)
        self._opening = Opening(settings.hours)
        self._now, self._at_ms = 0.0, 0
        self._candles: Candles | None = None
        self._builder: Builder | None = None
        self._out = Outbox()
        self._commands: list[Command] = []
        self._market_state: MarketState | None = None
        self._last_data_ms: int | None = None
        self._heard_at: float | None = None
        self.wake: Callable[[], None] = lambda: None
        self.at_work: Callable[[], AtWork] = AtWork

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
        self._opening.look(self._exchange_ms)
        if self._candles is None:
            self._candles = begun(self._settings, self._state, self._exchange_ms)
            if self._settings.from_trades:
                self._builder = Builder(self._settings.market.timeframe_ms, self._exchange_ms)
            self._out.begin(now)
            self._funding.begin(self._exchange_ms)
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
        candles = self._candles
        if candles is None:
            return
        told = self._questions.answered(answer, candles, self._moment)
        if told and self._settings.poll_s is not None:
            self._heard_at, self._last_data_ms = self._now, self._at_ms

    def commands(self) -> tuple[Command, ...]:
        """Return what is to be done outside, in order; each once."""
        found, self._commands = tuple(self._commands), []
        return found

    @property
    def deadline(self) -> float | None:
        """When :meth:`step` has something to do though nothing came."""
        if self._candles is None:
            return 0.0
        asks_at = self._questions.deadline(self._candles, self._opening, self._moment)
        times = (self._out.deadline, self._wires_deadline(), asks_at)
        return min(at for at in times if at is not None)

    def step(self) -> Step | None:
        """Do what is due. Raises NoData when a fresh process should try."""
        if self._candles is None:
            return None
        self._check_life()
        # Before anything is asked for: what lies in closed hours is not missing.
        self._opening.skip(self._candles, self._settings.market.timeframe_ms, self._exchange_ms)
        if (ask := self._questions.plan(self._candles, self._opening, self._moment)) is not None:
            self._commands.append(ask)
        if self._builder is not None:
            for kline in self._builder.closed(self._exchange_ms):
                self._candles.saw(kline, self._now, self._exchange_ms)
        self._release_fundings()
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
        counts, at_work = self._counts(), self.at_work()
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
            "sessions": at_work.sessions,
            "tasks": at_work.tasks,
        }

    def condition(self) -> Condition:
        """Return what is wrong with the market's data."""
        wires = self._wires if self._settings.poll_s is None else None
        reasons = health.reasons(wires, self._candles, self._skew, self._moment)
        return Condition(reasons=reasons, last_data_ms=self._last_data_ms)

    def learned(self, instrument: Instrument) -> None:
        """Remember the market's grids for a start at which the exchange cannot be asked."""
        if instrument != self._state.instrument:
            self._state.instrument = instrument
            self._out.changed = True

    @property
    def _exchange_ms(self) -> int:
        return self._at_ms + (self._skew.ms or 0)

    @property
    def _moment(self) -> Moment:
        return Moment(self._now, self._at_ms, self._exchange_ms)

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
        if fault is None and isinstance(event, Print):
            self._wires.traded(wire, self._now)
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
        if fault is None:
            self._funding.take(mark)
        return fault

    def _check_life(self) -> None:
        settings, now = self._settings, self._now
        if settings.poll_s is not None:
            silence = now - (self._heard_at or now)
        else:
            self._wires.check(now, self._at_ms, market_open=self._opening.open)
            silence = self._wires.silence(now)
        if not self._opening.open:
            self._heard_at = now
            return
        market = f"{self._exchange.name} {settings.symbol}"
        if silence >= settings.longest_silence_s:
            raise NoData(market=market, found=f"no data for {silence:.0f} s")
        if (wire := self._wires.exhausted) is not None:
            found = f"{wire.reconnect.failures} connections in a row failed, the last: {wire.trouble}"
            raise NoData(market=market, found=found)

    def _release_fundings(self) -> None:
        for over in self._funding.released():
            self._out.records.append(outlet.funding(over, self._settings))
            self._out.logs.append(outlet.funding_line(over, self._settings))

    def _release(self, candles: Candles) -> None:
        slots = candles.take(self._now, self._exchange_ms)
        made = [outlet.candle(slot, self._settings) for slot in slots]
        self._out.logs += (*candles.logs, *outlet.lines(made))
        candles.logs.clear()
        self._out.records += made
        self._note_out(made)
        if slots and candles.last_close is not None:
            self._ticks.reference = candles.last_close

    def _note_out(self, made: Sequence[Candle]) -> None:
        if made:
            self._state.close_ms = made[-1].close_ms
        self._state.counts.candles += len(made)
        self._state.counts.backfilled += sum(it.backfilled for it in made)

    def _news_of_market(self, candles: Candles) -> tuple[Tick, ...]:
        polled = self._settings.poll_s is not None
        state = MarketState(
            symbol=self._settings.symbol,
            at_ms=0,
            connected=polled or self._wires.connected,
            gap=candles.gap(self._exchange_ms),
            stale=not polled and self._opening.open and self._wires.stale(self._now),
            open=self._opening.open,
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
        for logs in (self._wires.logs, self._questions.logs):
            self._out.logs[:0] = logs
            logs.clear()
        at_ms = self._state.close_ms or self._at_ms
        return self._out.step(self._now, at_ms, ticks, lambda: self._stored(candles))

    def _stored(self, candles: Candles) -> bytes:
        state = msgspec.structs.replace(
            self._state,
            last_open_ms=candles.last_open_ms,
            last_close=candles.last_close,
            part=None if candles.resampler is None else candles.resampler.part,
            funding=self._funding.pending,
            funded_ms=self._funding.told_ms,
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
        if not self._opening.open:
            return "market closed"
        return "connected" if self._wires.connected else "reconnecting"

    def _reject(self, kind: str, found: object) -> None:
        line = self._rejects.note(kind, found, self._now)
        if line is not None:
            self._out.logs.append(line)

    def _wires_deadline(self) -> float:
        if self._settings.poll_s is not None:
            return (self._heard_at or self._now) + self._settings.longest_silence_s
        found = self._wires.deadline(self._settings.stale_after_s)
        return self._now + 1.0 if found is None else found
