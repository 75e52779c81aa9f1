"""What a strategy of your own is written against.

```python
class MyParameters(StrategyParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lookback: Annotated[int, Meta(ge=2, le=500)] = 20

class MyStrategy(Strategy):
    Parameters = MyParameters

    @property
    def warmup(self) -> int:
        return self.parameters.lookback

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        highest = max(c.high for c in context.history[:-1])
        return [Intent("enter_long", reasons=("breakout",))] if candle.close > highest else []
```

The tree file then says ``strategy = "my_file.py:MyStrategy"``; ``supervisor init --strategy my_file.py``
writes both to begin with. Only closed candles arrive, each once and in order, so looking ahead is
impossible. Decide from what you are given: a clock, a file or a random number would make a replay differ
from run to run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal

import msgspec
from msgspec import Struct

from protocol.messages.market import Candle, Instrument
from protocol.messages.tick import Mark, Quote, Trade
from protocol.messages.trading import Action, AtPrice, Away, Fill, Level, Size
from workers.shared.config import finite_above_zero
from workers.shared.core import LogLine
from workers.shared.log import iso_ms

__all__ = [
    "AtPrice",
    "Away",
    "Candle",
    "Context",
    "Fill",
    "Intent",
    "Log",
    "PassingTrouble",
    "Position",
    "Price",
    "Risk",
    "Stance",
    "Strategy",
    "StrategyParameters",
    "Withdraw",
]

Stance = Literal["flat", "long", "short"]
"""A direction held."""
MOST_LINES: Final = 100
"""To the log in one evaluation."""
LONGEST_LINE: Final = 16 * 1024
"""In bytes; of a longer one the beginning is kept."""
LONGEST_NAME: Final = 200
TAKEN: Final = frozenset({"time", "level", "process", "message", "exception", "stream"})
"""What the log itself says in each line; a fact of such a name gets an underscore."""
Price = Quote | Trade | Mark
"""What :meth:`Strategy.on_tick` hears."""


class PassingTrouble(Exception):
    """Raise it (or a subclass) for what is nobody's bug here and may pass: a service that does not answer.

    It costs the evaluation like any exception; but a run in which nothing else happened may be started again.
    """


class StrategyParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of ``[child.config.parameters]``; a strategy's own are a subclass with types and bounds.

    ``size``: the fraction of equity that a position takes, above 0 up to 1 (default "0.05").
    """

    size: Decimal = Decimal("0.05")

    def __post_init__(self) -> None:
        """Raise ValueError for a size that no position could have; subclasses call it first."""
        finite_above_zero("size", self.size)
        if self.size > 1:
            raise ValueError(f"size is a fraction of equity, at most 1, found {self.size}")


@dataclass(frozen=True)
class Risk:
    """A size rule: as much that the stop, when it is hit, costs this fraction of equity.

    The position is never larger than the equity. The intent needs a ``stop``.
    """

    fraction: Decimal


@dataclass(frozen=True)
class Intent:
    """What a strategy wants.

    ``enter_short`` on a spot market is carried out as ``exit``: what is not owned cannot be sold. An entry
    against the present direction closes it first. ``confidence`` is from 0 to 1. ``size`` None: an entry
    takes the fraction of equity in the parameters, an exit all that is held. ``limit``: a resting order at
    this price instead of one at the market; ``post_only`` and ``expires_ms`` (data time) belong to it.
    ``stop``,
    ``target`` and ``trail`` protect an entry from its first fill on (``AtPrice`` or ``Away``); they need the
    broker in ``inputs``, for they may end a position without you. ``symbol`` None: that of the context.
    """

    action: Action
    confidence: Decimal = Decimal(1)
    reasons: tuple[str, ...] = ()
    size: Size | Risk | None = None
    symbol: str | None = None
    limit: Decimal | None = None
    post_only: bool = False
    expires_ms: int | None = None
    stop: Level | None = None
    target: Level | None = None
    trail: Level | None = None


@dataclass(frozen=True)
class Withdraw:
    """Take back orders at rest: one (an id of ``context.orders``), or None: all of the symbol."""

    order: str | None = None
    symbol: str | None = None


@dataclass(frozen=True)
class Position:
    """What this strategy holds. ``quantity`` (signed) and ``average`` (price of entry) are known where
    ``inputs`` name the broker; else they are None, and ``direction`` is what its own orders have led to."""

    direction: Stance = "flat"
    quantity: Decimal | None = None
    average: Decimal | None = None


class Log(Struct, frozen=True):
    """Where a strategy says what a person may want to read: the log of its process, with symbol and data
    time.

    Facts are kept as JSON has them, anything else by its ``repr``. Raises ValueError for more than
    ``MOST_LINES`` in one evaluation.
    """

    symbol: str = ""
    now_ms: int = 0
    lines: list[LogLine] = msgspec.field(default_factory=list)

    def debug(self, message: str, **facts: Any) -> None:
        """Log a line that is written at ``log_level = "DEBUG"`` only."""
        self._say("DEBUG", message, facts)

    def info(self, message: str, **facts: Any) -> None:
        """Log a line."""
        self._say("INFO", message, facts)

    def warning(self, message: str, **facts: Any) -> None:
        """Log something that a person should see."""
        self._say("WARNING", message, facts)

    def _say(self, level: str, message: str, facts: dict[str, Any]) -> None:
        if len(self.lines) >= MOST_LINES:
            raise ValueError(f"more than {MOST_LINES} lines to the log in one evaluation; say less")
        facts = {f"{name}_" if name in TAKEN else name: value for name, value in facts.items()}
        common = {"symbol": self.symbol, "at": iso_ms(self.now_ms)}
        # Copied now: what the facts refer to may change, and must not fail, when the line is written.
        told = msgspec.json.encode({**common, **facts}, enc_hook=repr)
        kept = msgspec.json.decode(told) if len(told) <= LONGEST_LINE else {**common, "cut": _start(told)}
        self.lines.append(LogLine(level, str(message)[:LONGEST_NAME], kept))


def _start(told: bytes) -> str:
    return told[:LONGEST_LINE].decode("utf-8", "ignore")


NOWHERE: Final = Position()


class Context(Struct, frozen=True):
    """What a strategy may know at one moment of the data.

    ``history`` holds the last ``warmup`` closed candles, the newest last. ``now_ms`` is the close of the
    candle, or the time of the tick (UTC milliseconds). ``orders`` are the ids of its own orders at rest.
    ``symbols`` are all that it follows; :meth:`of` tells of another one.
    """

    symbol: str
    timeframe: str
    instrument: Instrument
    history: Sequence[Candle]
    now_ms: int = 0
    position: Position = NOWHERE
    orders: tuple[str, ...] = ()
    log: Log = msgspec.field(default_factory=Log)
    symbols: tuple[str, ...] = ()
    other: Callable[[str], Context] | None = None

    @property
    def now(self) -> datetime:
        """The moment of the data, UTC."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def of(self, symbol: str) -> Context:
        """Return the context of another symbol that is followed. Raises KeyError for any other."""
        if symbol == self.symbol or self.other is None:
            return self
        return self.other(symbol)


class Strategy:
    """Base class. ``snapshot`` and ``restore`` carry what an object knows over a restart of its process.

    ``version``: count it up when an older snapshot means nothing to the code any more; the process then asks
    a person instead of guessing.
    """

    Parameters: ClassVar[type[StrategyParameters]] = StrategyParameters
    version: ClassVar[int] = 1

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    @property
    def warmup(self) -> int:
        """How many closed candles, the present one included, an evaluation needs (at least 2)."""
        return 2

    def ready(self, context: Context, candle: Candle | None) -> bool:
        """Whether :meth:`on_candle` (``candle`` None: :meth:`on_interval`) can be asked yet; False makes it
        wait until the process is woken.

        For strategies whose answer comes from elsewhere (``remote``); all others are ready.
        """
        return True

    def on_candle(self, context: Context, candle: Candle) -> Sequence[Intent | Withdraw]:
        """Decide on a closed candle.

        An exception is logged and counted, and the candle is done with; PersonMustLook (of
        workers.shared.exits) ends the process with exit code 78 instead.
        """
        raise NotImplementedError

    def on_tick(self, context: Context, tick: Price) -> Sequence[Intent | Withdraw]:
        """Decide on a live price between candles; recordings of candles have none."""
        return ()

    def on_interval(self, context: Context) -> Sequence[Intent | Withdraw]:
        """Decide when the ``interval`` of the tree file is over, whether or not a candle closed."""
        return ()

    def on_fill(self, context: Context, fill: Fill) -> None:
        """Learn of a fill, before the next candle. Needs the broker in ``inputs``."""

    def snapshot(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain values (numbers, strings, lists, dicts)."""
        return {}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take back what :meth:`snapshot` returned."""
