"""The connections of a market: which is up, what is to be done about those that are not. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from workers.feed.exchanges.events import BestQuote, Kline, MarkPrice, Print
from workers.feed.exchanges.port import Exchange, Line, Market, Session, StreamName
from workers.feed.live.clocks import SILENCE_S, Clocks
from workers.feed.live.commands import Command, Connect, Disconnect, Ping, Say
from workers.feed.live.reconnect import Reconnect
from workers.shared.core import LogLine

STREAM_OF: Final[dict[type, StreamName]] = {
    Kline: "candles",
    BestQuote: "quotes",
    Print: "trades",
    MarkPrice: "marks",
}
"""Which stream an event proves to be alive."""


@dataclass
class Wire:
    """One connection and its fate."""

    line: Line
    session: Session
    reconnect: Reconnect = field(default_factory=Reconnect)
    clocks: Clocks | None = None
    connecting: bool = False
    trouble: str | None = None
    forgiven: frozenset[StreamName] = frozenset()


class Wires:
    """All connections of ``market``; ``base`` is where they go instead of the exchange's own address."""

    def __init__(self, exchange: Exchange, market: Market, base: str, chance: Callable[[], float]) -> None:
        self._exchange, self._market, self._base, self._chance = exchange, market, base, chance
        self.all = {line.name: Wire(line, exchange.session(market)) for line in exchange.lines(market)}
        self.commands: list[Command] = []
        self.logs: list[LogLine] = []
        self.reconnects = 0
        self._silent_since: float | None = None
        self._was_open = True

    def check(self, now: float, at_ms: int, *, market_open: bool) -> None:
        """Do what the clocks demand."""
        # At the opening, too: how long before it this was asked last says nothing.
        if not (market_open and self._was_open):
            self._excuse(now)
        self._was_open = market_open
        for wire in self.all.values():
            if wire.clocks is None:
                self._connect_when_due(wire, now)
            elif (why := wire.clocks.verdict(now)) is not None:
                self._drop(wire, why, now)
            elif wire.clocks.worn(now):
                self.renew(wire.line.name, "its time is over", now)
            elif wire.clocks.ping_due(now):
                self._ping(wire, at_ms, now)

    def opened(self, name: str, now: float) -> None:
        """Learn that a connection stands: subscribe to everything."""
        wire = self.all[name]
        wire.connecting, wire.session = False, self._exchange.session(self._market)
        wire.clocks = Clocks(wire.line, now, wire.forgiven)
        if self._silent_since is None:
            self._silent_since = now
        self.commands += [Say(name, text) for text in wire.line.hello]
        self.logs.append(LogLine("INFO", "connected", {"line": name, "url": self._url(wire.line)}))

    def lost(self, name: str, why: str, now: float) -> None:
        """Learn that a connection could not be made, or was cut."""
        wire = self.all[name]
        if wire.connecting:
            # An exchange that cannot be reached is judged by the number of attempts, not by its silence.
            self._silent_since = None
        if wire.connecting or wire.clocks is not None:
            self._failed(wire, why, now)

    def renew(self, name: str, why: str, now: float) -> None:
        """Replace a connection in good order; one that never delivered counts as lost."""
        wire = self.all[name]
        if wire.clocks is None or wire.clocks.data_at is None:
            self._drop(wire, why, now)
            return
        self.commands.append(Disconnect(name))
        self._away(wire)
        wire.reconnect.renew(now, self._chance())
        self.reconnects += 1
        self.logs.append(LogLine("INFO", "connection renewed", {"line": name, "why": why}))

    def heard(self, name: str) -> Wire | None:
        """Learn that something came; None: from a connection that is already given up."""
        wire = self.all[name]
        if wire.clocks is None:
            return None
        wire.clocks.heard()
        return wire

    def data(self, wire: Wire, stream: StreamName | None, now: float) -> None:
        """Learn that data came, right or wrong; ``stream`` None: it cannot be told of which."""
        self._silent_since = now
        if wire.clocks is None:
            return
        if stream is None:
            wire.clocks.data_at = now
        else:
            wire.clocks.data(stream, now)
            wire.forgiven = wire.forgiven - {stream}

    def good(self, wire: Wire) -> None:
        """Learn that good data came over a connection."""
        wire.reconnect.good()
        wire.trouble = None

    def traded(self, wire: Wire, now: float) -> None:
        """Learn that a new trade came over a connection."""
        if wire.clocks is not None:
            wire.clocks.traded(now)

    def silence(self, now: float) -> float:
        """Return for how many seconds nothing came over connections that stand or stood."""
        return 0.0 if self._silent_since is None else now - self._silent_since

    @property
    def connected(self) -> bool:
        """Whether all connections stand."""
        return all(wire.clocks is not None for wire in self.all.values())

    def stale(self, now: float) -> bool:
        """Whether the newest data are too old to be shown as present."""
        return self.silence(now) >= SILENCE_S

    @property
    def exhausted(self) -> Wire | None:
        """A connection that has failed too often in a row."""
        return next((wire for wire in self.all.values() if wire.reconnect.exhausted), None)

    def reasons(self, now: float) -> tuple[str, ...]:
        """Return what is wrong, for status."""
        found = []
        for wire in self.all.values():
            if wire.clocks is None:
                found.append(f"reconnecting {wire.line.name}: {wire.trouble or 'not connected yet'}")
            else:
                found += [f"no {name} from the exchange" for name in sorted(wire.forgiven)]
        return (*found, "no data") if self.stale(now) else tuple(found)

    def deadline(self, stale_after_s: float) -> float | None:
        """Return when :meth:`check` or the judgement of silence is due."""
        times = [wire.clocks.deadline for wire in self.all.values() if wire.clocks is not None]
        times += [wire.reconnect.at for wire in self.all.values() if wire.reconnect.at is not None]
        if self._silent_since is not None:
            times += [self._silent_since + stale_after_s]
        return min(times, default=None)

    def _connect_when_due(self, wire: Wire, now: float) -> None:
        if wire.reconnect.at is not None and now >= wire.reconnect.at:
            wire.reconnect.begun()
            wire.connecting = True
            self.commands.append(Connect(wire.line.name, self._url(wire.line)))

    def _ping(self, wire: Wire, at_ms: int, now: float) -> None:
        name, ping = wire.line.name, wire.line.ping
        self.commands.append(Ping(name) if ping is None else Say(name, ping(at_ms)))
        if wire.clocks is not None:
            wire.clocks.pinged(now)

    def _drop(self, wire: Wire, why: str, now: float) -> None:
        if wire.clocks is not None and (stream := wire.clocks.silent(now)) is not None:
            # Once is worth a new subscription; twice it is silent on purpose, and the rest goes on.
            wire.forgiven = wire.forgiven | {stream}
        self.commands.append(Disconnect(wire.line.name))
        self._failed(wire, why, now)

    def _failed(self, wire: Wire, why: str, now: float) -> None:
        self._away(wire)
        wire.reconnect.failed(now, self._chance())
        if wire.reconnect.failures > 1 or not wire.connecting:
            self.reconnects += 1
        wire.connecting = False
        facts = {
            "line": wire.line.name,
            "why": why,
            "failures": wire.reconnect.failures,
            "next_try_in": round((wire.reconnect.at or now) - now, 1),
        }
        self.logs.append(LogLine("WARNING", "connection lost", facts))
        wire.trouble = why

    def _away(self, wire: Wire) -> None:
        wire.clocks = None

    def _excuse(self, now: float) -> None:
        if self._silent_since is not None:
            self._silent_since = now
        for wire in self.all.values():
            if wire.clocks is not None:
                wire.clocks.excuse(now)

    def _url(self, line: Line) -> str:
        base = self._base or line.base
        # An address with a path of its own says all of it.
        return base if urlsplit(base).path.strip("/") else base.rstrip("/") + line.path
