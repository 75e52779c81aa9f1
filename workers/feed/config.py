"""The feed's section of the tree file."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from protocol.messages.market import Instrument, OnEnd
from workers.feed.exchanges.symbols import pair
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live import kept
from workers.feed.live.hours import Hours
from workers.feed.through_ccxt import library
from workers.feed.through_ccxt.exchange import PREFIX
from workers.shared.config import BadConfig, WorkerConfig, finite_above_zero
from workers.shared.duration import seconds

Timeframe = Literal["1m", "5m", "15m", "1h", "4h", "1D"]
TIMEFRAME_MS: Final[dict[str, int]] = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "1D": 86_400_000,
}


class InstrumentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a recorded market is like: grids of price and amount, smallest notional, kind of contract."""

    tick: Decimal = Decimal("0.01")
    step: Decimal = Decimal("0.00000001")
    min_notional: Decimal = Decimal(0)
    contract: Literal["spot", "linear"] = "spot"

    def __post_init__(self) -> None:
        """Raise ValueError for grids that no price or amount could lie on."""
        finite_above_zero("tick", self.tick)
        finite_above_zero("step", self.step)
        if not self.min_notional.is_finite() or self.min_notional < 0:
            raise ValueError(f"min_notional must be a finite number, 0 or above, found {self.min_notional}")

    def as_message(self) -> Instrument:
        """Return the form in which other processes learn it."""
        return Instrument(
            tick=self.tick, step=self.step, min_notional=self.min_notional, contract=self.contract
        )


_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHORTEST_POLL_S: Final = 10.0
KNOWN: Final = f"{', '.join(sorted(EXCHANGES))}, and {PREFIX}NAME for any other that ccxt knows"
"""The names of exchanges, for people."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class HoursConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a market that closes is open: local times of ``timezone`` (an IANA name) on ``days``.

    ``holidays`` are dates without trading. ``closes`` at or before ``opens`` is on the next day.
    """

    timezone: str
    opens: time
    closes: time
    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
    holidays: tuple[date, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for a time zone that nobody knows, and for a market that would never open."""
        if not self.days:
            raise ValueError("days are none: name a day on which the market is open, or leave days out")
        self.as_hours()

    def as_hours(self) -> Hours:
        """Return the calendar."""
        try:
            zone = ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f'timezone must be a name like "America/New_York", found {self.timezone!r}'
            ) from error
        days = frozenset(_DAYS.index(day) for day in self.days)
        return Hours(zone, self.opens, self.closes, days, frozenset(self.holidays))


class FeedConfig(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the feed sends, and where it has it from.

    ``file``: the recording (required for ``source = "recorded"``), relative to the tree file: candles, or a
    trade tape, each trade of which is a row (``timeframe`` and ``time`` say nothing there). ``time``:
    whether its ``ts_ms`` marks the "open" or the "close" of a candle; the wrong one shifts all candles by
    one interval. ``volume``: whether its volume is in the "base" or the "quote" currency. ``speed``: "max",
    or a factor (1 is real time, 60 a minute a second). ``on_end``: "shutdown" stops the tree, "idle" waits,
    "loop" begins again with times shifted onward.

    With ``source = "exchange"``: ``exchange`` and ``market`` (absent: the first that the exchange has) say
    where; ``ws_url`` and ``rest_url`` replace the exchange's own addresses (plain ws and http on this
    machine only; an address with a path is taken as it is). ``stale_after``: without any data for so long
    the process ends with exit 75. ``poll_interval``: ask by REST so often instead of listening.
    ``candles = "trades"`` makes them of trades instead of believing the exchange's. ``history``: how many
    candles to fetch at the very first start. ``hours``: when the market is open; ``calendar``: the same
    from a kept calendar ("XNYS", the extra ``calendar``); absent: always. ``form``: which form of messages
    Bitunix is asked in. ``exchange = "ccxt:NAME"`` is any exchange of ccxt's (the extra ``ccxt``).

    With ``source = "simulated"``: ``seed`` chooses the market, which runs in real time.
    """

    source: Literal["recorded", "exchange", "simulated"] = "recorded"
    symbol: str = "BTC/USDT"
    timeframe: Timeframe = "1m"
    instrument: InstrumentConfig = field(default_factory=InstrumentConfig)
    file: str = ""
    time: Literal["open", "close"] = "open"
    volume: Literal["base", "quote"] = "base"
    speed: Literal["max"] | Annotated[float, Meta(gt=0, le=1e9)] = "max"
    on_end: OnEnd = "shutdown"
    exchange: str = "binance"
    market: Literal["spot", "perpetual"] | None = None
    ws_url: str = ""
    rest_url: str = ""
    stale_after: str | float = "30s"
    poll_interval: str | float | None = None
    candles: Literal["exchange", "trades"] = "exchange"
    history: Annotated[int, Meta(ge=0, le=200)] = 100
    hours: HoursConfig | None = None
    calendar: str = ""
    form: Literal["current", "older"] = "current"
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1

    @property
    def timeframe_ms(self) -> int:
        """The length of a candle in milliseconds."""
        return TIMEFRAME_MS[self.timeframe]

    @property
    def stale_after_s(self) -> float:
        """The longest silence, in seconds."""
        return seconds("stale_after", self.stale_after)

    @property
    def poll_s(self) -> float | None:
        """The time between questions in seconds; None: listen."""
        return None if self.poll_interval is None else seconds("poll_interval", self.poll_interval)


def check(config: FeedConfig, child: str) -> FeedConfig:
    """Return ``config`` when this version can serve it. Raises BadConfig with what to write instead."""
    match config.source:
        case "recorded":
            if not config.file:
                problem = "a recording is needed: write the path of a candle file"
                raise _refused(child, "file", config.file, problem)
            zone = config.hours and config.hours.timezone
            for key, found in (("calendar", config.calendar), ("hours", zone)):
                if found:
                    raise _refused(child, key, found, "a recording needs none: leave it out")
        case "exchange":
            _check_exchange(config, child)
        case "simulated":
            _check_durations(config, child)
            _check_symbol(config, child)
            _check_calendar(config, child)
            if config.speed not in ("max", 1):
                raise _refused(
                    child, "speed", config.speed, "a simulated market runs in real time: leave it out"
                )
    return config


def _check_exchange(config: FeedConfig, child: str) -> None:
    _check_durations(config, child)
    _check_address(child, "ws_url", config.ws_url, ("wss", "ws"))
    _check_address(child, "rest_url", config.rest_url, ("https", "http"))
    _check_symbol(config, child)
    _check_calendar(config, child)
    if config.form == "older" and config.exchange != "bitunix":
        raise _refused(child, "form", config.form, "only bitunix has an older form")
    if config.candles == "trades" and config.poll_interval is not None:
        raise _refused(child, "candles", config.candles, "a feed that polls hears no trades")
    if config.exchange.startswith(PREFIX):
        _check_ccxt(config, child)
        return
    exchange = EXCHANGES.get(config.exchange)
    if exchange is None:
        raise _refused(child, "exchange", config.exchange, f"allowed: {KNOWN}")
    if config.market is not None and config.market not in exchange.kinds:
        problem = f"{exchange.name} has {' and '.join(exchange.kinds)} here"
        raise _refused(child, "market", config.market, problem)


def _check_calendar(config: FeedConfig, child: str) -> None:
    if not config.calendar:
        return
    if config.hours is not None:
        raise _refused(child, "calendar", config.calendar, "hours say the same: leave one of them out")
    if not kept.installed():
        raise _refused(child, "calendar", config.calendar, kept.EXTRA_MISSING)


def _check_ccxt(config: FeedConfig, child: str) -> None:
    if (problem := library.problem(config.exchange.removeprefix(PREFIX))) is not None:
        raise _refused(child, "exchange", config.exchange, problem)


def _check_symbol(config: FeedConfig, child: str) -> None:
    try:
        pair(config.symbol)
    except ValueError as error:
        raise _refused(child, "symbol", config.symbol, str(error)) from error


def _check_durations(config: FeedConfig, child: str) -> None:
    try:
        stale_after_s, poll_s = config.stale_after_s, config.poll_s
    except ValueError as error:
        key, found = ("poll_interval", config.poll_interval)
        if str(error).startswith("stale_after"):
            key, found = ("stale_after", config.stale_after)
        raise _refused(child, key, found, str(error)) from error
    if stale_after_s <= 0:
        raise _refused(child, "stale_after", config.stale_after, "must be longer than 0s")
    if poll_s is not None and poll_s < SHORTEST_POLL_S:
        raise _refused(
            child, "poll_interval", config.poll_interval, f"must be {SHORTEST_POLL_S:g}s or longer"
        )


def _check_address(child: str, key: str, url: str, schemes: tuple[str, str]) -> None:
    if not url:
        return
    secure, plain = schemes
    try:
        parts = urlsplit(url)
        local = parts.scheme == plain and parts.hostname in _LOOPBACK
        fits = (
            bool(parts.hostname) and (parts.scheme == secure or local) and not (parts.username or parts.query)
        )
        parts.port  # noqa: B018 it raises for what is no port
    except ValueError:
        fits = False
    if not fits:
        problem = f"must begin with {secure}://, or with {plain}:// on this machine, without user or query"
        raise _refused(child, key, url, problem)


def _refused(child: str, key: str, found: Any, problem: str) -> BadConfig:
    return BadConfig(key=f"{child}.config.{key}", found=found, problem=problem)
