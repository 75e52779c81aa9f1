"""One candle put to the user's code: what it said, or how it failed."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from protocol.codec import MARKET
from protocol.messages.market import Candle
from protocol.messages.trading import Fill
from workers.strategy.api import Context, Intent, Strategy
from workers.strategy.orders import DIRECTION


@dataclass(frozen=True)
class Failure:
    """An exception of user code: one line for status, the whole for the log."""

    error: str
    trace: str


class History:
    """The last candles that a strategy may see, with the bytes in which they came."""

    def __init__(self, length: int, bodies: Iterable[msgspec.Raw] = ()) -> None:
        self._length = length
        self._bodies: deque[msgspec.Raw] = deque(maxlen=length)
        self._candles: deque[Candle] = deque(maxlen=length)
        for body in bodies:
            candle = MARKET.decode(body)
            if isinstance(candle, Candle):
                self.add(candle, body)

    def add(self, candle: Candle, body: msgspec.Raw) -> None:
        """Append the newest candle; the oldest goes when there are more than wanted."""
        self._candles.append(candle)
        self._bodies.append(body)

    @property
    def full(self) -> bool:
        """Whether there are as many as an evaluation needs."""
        return len(self._candles) >= self._length

    @property
    def candles(self) -> tuple[Candle, ...]:
        """The candles, the newest last."""
        return tuple(self._candles)

    @property
    def bodies(self) -> tuple[msgspec.Raw, ...]:
        """Their bytes."""
        return tuple(self._bodies)


def evaluate(strategy: Strategy, context: Context, candle: Candle) -> tuple[Intent, ...] | Failure:
    """Return what the strategy wants, holds left out; whatever its code raises becomes a Failure."""
    try:
        intents = strategy.on_candle(context, candle)
        return tuple(_checked(intent) for intent in intents if intent.action != "hold")
    except Exception as error:  # noqa: BLE001 - user code may raise anything; it is reported, and counted
        return _failure(error)


def notify(strategy: Strategy, context: Context, fill: Fill) -> Failure | None:
    """Tell the strategy of a fill; whatever its code raises becomes a Failure."""
    try:
        strategy.on_fill(context, fill)
    except Exception as error:  # noqa: BLE001 - as above
        return _failure(error)
    return None


def _checked(intent: Intent) -> Intent:
    if intent.action not in DIRECTION:
        raise ValueError(
            f"on_candle returned the action {intent.action!r}; allowed: {', '.join(DIRECTION)}, hold"
        )
    if not isinstance(intent.confidence, Decimal) or not 0 <= intent.confidence <= 1:
        raise ValueError(
            f"on_candle returned the confidence {intent.confidence!r}; allowed: a Decimal from 0 to 1"
        )
    return intent


def _failure(error: Exception) -> Failure:
    return Failure(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))
