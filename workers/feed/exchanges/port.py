"""What all exchanges have in common, as seen by the live feed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol
from urllib.parse import urlencode

from protocol.messages.market import Instrument
from workers.feed.exchanges.events import Event, Kline, PastFunding
from workers.feed.exchanges.symbols import Pair

Kind = Literal["spot", "perpetual"]
StreamName = Literal["candles", "quotes", "trades", "marks"]


@dataclass(frozen=True)
class Market:
    """One market of one exchange; ``timeframe`` is that of the candles asked for.

    ``contract_size``: the base currency in one contract, where the exchange counts contracts in its messages.
    """

    pair: Pair
    kind: Kind
    timeframe: str
    timeframe_ms: int
    contract_size: Decimal = Decimal(1)


@dataclass(frozen=True)
class Stream:
    """A part of what a connection delivers. ``prompt``: the exchange sends its state upon subscription."""

    name: StreamName
    prompt: bool = False


@dataclass(frozen=True)
class Line:
    """A WebSocket connection: where, what is said first, what comes over it.

    ``ping`` makes the exchange's own ping from UTC milliseconds; None: a ping of the WebSocket protocol.
    ``lifetime_s``: when to renew it, before the exchange cuts it.
    """

    name: str
    base: str
    path: str
    hello: tuple[str, ...]
    streams: tuple[Stream, ...]
    ping: Callable[[int], str] | None = None
    lifetime_s: float | None = None


@dataclass(frozen=True)
class Request:
    """An HTTP GET below the REST base address."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)

    def url(self, base: str) -> str:
        """Return its whole address."""
        return f"{base.rstrip('/')}{self.path}" + (f"?{urlencode(self.query)}" if self.query else "")


class Session(Protocol):
    """One connection's worth of understanding: channel numbers, the state behind deltas."""

    def parse(self, text: str | bytes) -> tuple[Event, ...]:
        """Return what a frame says, nothing for what is not wanted. Raises BadFrame only."""
        ...


class Exchange(Protocol):
    """An exchange. All methods are pure; all parsers raise BadFrame only."""

    @property
    def name(self) -> str:
        """The name in the configuration."""
        ...

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of market it has; the first is the default."""
        ...

    @property
    def timeframes(self) -> frozenset[str]:
        """The timeframes of candles it sends; others are resampled from 1m."""
        ...

    def rest_base(self, kind: Kind) -> str:
        """Return the address of its public REST interface."""
        ...

    def lines(self, market: Market) -> tuple[Line, ...]:
        """Return the connections that together deliver the market."""
        ...

    def session(self, market: Market) -> Session:
        """Return the understanding of a new connection."""
        ...

    def history(self, market: Market, start_ms: int, count: int) -> Request:
        """Ask for at most ``count`` candles from the one that opens at ``start_ms`` on."""
        ...

    def parse_history(self, market: Market, text: str | bytes) -> tuple[Kline, ...]:
        """Return candles, oldest first; the last may still be forming."""
        ...

    def fundings(self, market: Market, start_ms: int, end_ms: int) -> Request | None:
        """Ask for the fundings from ``start_ms`` to ``end_ms``; None where none are told."""
        ...

    def parse_fundings(self, market: Market, text: str | bytes) -> tuple[PastFunding, ...]:
        """Return them in any order."""
        ...

    def instrument(self, market: Market) -> Request:
        """Ask for the market's grids."""
        ...

    def parse_instrument(self, market: Market, text: str | bytes) -> Instrument:
        """Return the market's grids, in the base currency; UnknownMarket when it is not listed."""
        ...

    def clock(self, kind: Kind) -> Request | None:
        """Ask for the exchange's time; None where it tells none."""
        ...

    def parse_clock(self, text: str | bytes) -> int:
        """Return UTC milliseconds."""
        ...
