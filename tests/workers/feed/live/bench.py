"""A simulated exchange of Binance's language around a live core, in simulated time."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from protocol.messages.market import Candle, Funding
from protocol.messages.tick import MarketState, Tick
from workers.feed.config import TIMEFRAME_MS
from workers.feed.exchanges.port import Exchange, Market
from workers.feed.exchanges.symbols import pair
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live.commands import Answer, Ask, Command, Connect, Disconnect, Ping, Say
from workers.feed.live.core import LiveCore
from workers.feed.live.settings import LiveSettings
from workers.feed.live.state import restored
from workers.shared.core import LogLine, Step

MINUTE = 60_000
START_MS = 1_700_000_040_000
"""A whole minute."""


def kline(open_ms: int, close: object = 100, *, closed: bool = False, **more: Any) -> str:
    """Return a candle as Binance sends it."""
    k = {"t": open_ms, "i": "1m", "o": "100", "h": "1000", "l": "1", "c": str(close), "v": "5", "x": closed}
    return json.dumps({"e": "kline", "E": open_ms + 59_000, "s": "BTCUSDT", "k": {**k, **more}})


def quote(at_ms: int, bid: object = "99.9", ask: object = "100.1") -> str:
    """Return a best bid and ask."""
    return json.dumps(
        {"e": "bookTicker", "s": "BTCUSDT", "b": str(bid), "B": "1", "a": str(ask), "A": "1", "T": at_ms}
    )


def trade(at_ms: int, number: int, price: object = 100, **more: Any) -> str:
    """Return a trade."""
    row = {"e": "trade", "s": "BTCUSDT", "t": number, "p": str(price), "q": "1", "m": False, "T": at_ms}
    return json.dumps({**row, **more})


def mark(at_ms: int, next_ms: int, rate: str = "0.0001") -> str:
    """Return a mark price."""
    row = {
        "e": "markPriceUpdate",
        "E": at_ms,
        "s": "BTCUSDT",
        "p": "100",
        "i": "100",
        "r": rate,
        "T": next_ms,
    }
    return json.dumps(row)


def rows(klines: Mapping[int, object]) -> str:
    """Return the body of an answer with these closes by open time."""
    found = [
        [open_ms, "100", "1000", "1", str(close), "5", open_ms + 59_999] for open_ms, close in klines.items()
    ]
    return json.dumps(found)


def flat_history(query: Mapping[str, str], now_ms: int) -> str:
    """Return all candles asked for, the forming one included, each closing at 100."""
    start = -(-int(query["startTime"]) // MINUTE) * MINUTE
    opens = range(start, min(start + int(query["limit"]) * MINUTE, now_ms + 1), MINUTE)
    return rows(dict.fromkeys(opens, 100))


def fundings(rates: Mapping[int, str]) -> str:
    """Return Binance's answer with these rates by time."""
    return json.dumps(
        [{"symbol": "BTCUSDT", "fundingTime": at, "fundingRate": it} for at, it in rates.items()]
    )


@dataclass
class Bench:
    """What the exchange does is set in its attributes; :meth:`run` lets time pass."""

    exchange: str | Exchange = "binance"
    kind: str = "spot"
    timeframe: str = "1m"
    symbol: str = "BTC/USDT"
    settings: Mapping[str, Any] = field(default_factory=dict)
    stored: bytes | None = None
    now: float = 1000.0
    wall_ms: int = START_MS
    accepts: bool = True
    pongs: bool = True
    status: int | None = 200
    retry_after_s: float | None = None
    skew_ms: int = 0
    mute: bool = False
    history: Callable[[Mapping[str, str], int], str] = flat_history
    settled: Callable[[int, int], str] = lambda _start_ms, _now_ms: "[]"

    def __post_init__(self) -> None:
        self.commands: list[tuple[float, Command]] = []
        self.steps: list[Step] = []
        self.up: set[str] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        exchange = EXCHANGES[self.exchange] if isinstance(self.exchange, str) else self.exchange
        base = self.timeframe if self.timeframe in exchange.timeframes else "1m"
        market = Market(pair(self.symbol), self.kind, base, TIMEFRAME_MS[base])  # type: ignore[arg-type]
        settings = LiveSettings(
            symbol=self.symbol,
            market=market,
            timeframe=self.timeframe,
            length_ms=TIMEFRAME_MS[self.timeframe],
            **{"history": 0, **self.settings},
        )
        self.core = LiveCore(exchange, settings, restored(self.stored, "bench"), lambda: 0.5)
        self._turn()

    def at(self, seconds: float, do: Callable[[], None]) -> None:
        """Have something happen so many seconds from now."""
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), do))

    def say(self, *frames: str, line: str = "market") -> None:
        """Have the exchange send frames now, if the connection stands."""
        for frame in frames:
            if line in self.up:
                self.core.advance(self.now, self.wall_ms)
                self.core.heard(line, frame)
        self._turn()

    def stream(
        self, frame: Callable[[int], str], every_s: float, seconds: float, line: str = "market"
    ) -> None:
        """Have the exchange send ``frame(its time)`` again and again."""
        for n in range(int(seconds / every_s)):
            self.at(n * every_s, lambda: self.say(frame(self.exchange_ms), line=line))

    def cut(self, line: str = "market", why: str = "cut") -> None:
        """Break the connection off."""
        if line in self.up:
            self.up.discard(line)
            self.core.advance(self.now, self.wall_ms)
            self.core.lost(line, why)
            self._turn()

    def run(self, seconds: float) -> None:
        """Let time pass. What the core raises comes out here."""
        end = self.now + seconds
        while True:
            deadline = self.core.deadline
            due = min(self._events[0][0] if self._events else end, end if deadline is None else deadline, end)
            self._pass(max(due, self.now))
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            self._turn()
            if self.now >= end:
                return
            # A core whose deadline stands still would hold the clock.
            self._pass(min(self.now + 0.001, end))

    @property
    def exchange_ms(self) -> int:
        """What the exchange's clock says."""
        return self.wall_ms + self.skew_ms

    @property
    def candles(self) -> list[Candle]:
        """The candles that went out."""
        return [it for step in self.steps for it in step.outputs if isinstance(it, Candle)]

    @property
    def fundings(self) -> list[Funding]:
        """The fundings that went out."""
        return [it for step in self.steps for it in step.outputs if isinstance(it, Funding)]

    @property
    def ticks(self) -> list[Tick]:
        """The prices that went out."""
        return [it for step in self.steps for it in step.ticks if not isinstance(it, MarketState)]

    def state(self) -> MarketState:
        """Return the newest that was told of the market."""
        return [it for step in self.steps for it in step.ticks if isinstance(it, MarketState)][-1]

    @property
    def logs(self) -> list[LogLine]:
        """Everything that was logged."""
        return [line for step in self.steps for line in step.logs]

    def logged(self, message: str) -> list[Mapping[str, Any]]:
        """Return the facts of all lines of this name."""
        return [line.facts for line in self.logs if line.message == message]

    def count(self, name: str) -> object:
        """Return a counter."""
        return self.core.counters()[name]

    def connects(self) -> list[float]:
        """Return when connections were asked for."""
        return [at for at, command in self.commands if isinstance(command, Connect)]

    def asked(self, path: str = "klines") -> list[float]:
        """Return when REST was asked for a path."""
        return [at for at, it in self.commands if isinstance(it, Ask) and path in it.request.path]

    def kept(self) -> bytes:
        """Return the state of the last step that had one."""
        return [step.state for step in self.steps if step.state is not None][-1]

    def opens(self) -> list[int]:
        """Return which minutes went out, counted from the start."""
        return [(candle.open_ms - START_MS) // MINUTE for candle in self.candles]

    def _pass(self, until: float) -> None:
        self.wall_ms += round((until - self.now) * 1000)
        self.now = until

    def _turn(self) -> None:
        while True:
            self.core.advance(self.now, self.wall_ms)
            step = self.core.step()
            for command in self.core.commands():
                self.commands.append((self.now, command))
                self._perform(command)
            if step is None:
                return
            self.steps.append(msgspec_checked(step))

    def _perform(self, command: Command) -> None:
        match command:
            case Connect(line):
                self.at(0.05, lambda: self._open(line))
            case Disconnect(line):
                self.up.discard(line)
            case Ping(line):
                if self.pongs:
                    self.at(0.05, lambda: self._pong(line))
            case Ask():
                self.at(0.1, lambda: self._answer(command))
            case Say():
                return

    def _open(self, line: str) -> None:
        self.core.advance(self.now, self.wall_ms)
        if self.accepts:
            self.up.add(line)
            self.core.opened(line)
        else:
            self.core.lost(line, "refused")

    def _pong(self, line: str) -> None:
        if line in self.up:
            self.core.advance(self.now, self.wall_ms)
            self.core.ponged(line)

    def _answer(self, ask: Ask) -> None:
        if self.mute:
            return
        self.core.advance(self.now, self.wall_ms)
        body = self._body(ask)
        sent_ms = self.wall_ms - 100
        answer = Answer(ask.number, sent_ms, self.wall_ms, self.status, body.encode(), self.retry_after_s, "")
        self.core.answered(
            answer if self.status else Answer(ask.number, sent_ms, self.wall_ms, why="refused")
        )

    def _body(self, ask: Ask) -> str:
        if ask.purpose == "clock":
            return json.dumps({"serverTime": self.exchange_ms - 50})
        query = ask.request.query
        if ask.purpose == "fundings":
            return self.settled(int(query.get("startTime") or query["since"]), self.exchange_ms)
        return self.history(query, self.exchange_ms)


def msgspec_checked(step: Step) -> Step:
    """Return the step, its messages having been encoded once, as the shell would."""
    for message in (*step.outputs, *step.ticks):
        msgspec.msgpack.encode(message)
    return step
