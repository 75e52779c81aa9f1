"""From an intent to orders: pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal

from protocol.messages.market import Candle, Instrument
from protocol.messages.trading import EquityFraction, Order, Side, Size, WholePosition
from workers.strategy.api import Intent

Stance = Literal["flat", "long", "short"]
"""The direction that the strategy's own orders have led to."""

CLOSE, OPEN = 0, 1
LEGS_PER_INTENT: Final = 2
DIRECTION: Final[dict[str, Stance]] = {"enter_long": "long", "enter_short": "short", "exit": "flat"}
OPENING_SIDE: Final[dict[Stance, Side]] = {"long": "buy", "short": "sell"}
CLOSING_SIDE: Final[dict[Stance, Side]] = {"long": "sell", "short": "buy"}


@dataclass(frozen=True)
class Decision:
    """Whose decision it is, and on which row and candle it was made."""

    strategy: str
    row: int
    candle: Candle
    default_size: Decimal


def allowed(intent: Intent, instrument: Instrument) -> Intent:
    """Return the intent as the market allows it: on spot, a short entry becomes an exit."""
    if intent.action == "enter_short" and instrument.contract == "spot":
        return replace(intent, action="exit", reasons=(*intent.reasons, "spot cannot be sold short"))
    return intent


def orders_for(intent: Intent, stance: Stance, decision: Decision, nth: int) -> tuple[Order, ...]:
    """Return the orders of the ``nth`` intent of a candle: first what closes, then what opens.

    An entry in the direction already held adds nothing unless it names a size of its own.
    """
    wanted = DIRECTION[intent.action]
    orders: list[Order] = []
    if stance not in ("flat", wanted):
        orders.append(_order(decision, nth, CLOSE, CLOSING_SIDE[stance], WholePosition()))
    if wanted != "flat" and (stance != wanted or intent.size is not None):
        size = intent.size or EquityFraction(decision.default_size)
        orders.append(_order(decision, nth, OPEN, OPENING_SIDE[wanted], size))
    return tuple(orders)


def client_order_id(strategy: str, candle: Candle, leg: int) -> str:
    """Return the identity of a decision: made twice, it is the same order."""
    moment = f"{candle.open_ms}.{candle.nth}" if candle.nth else f"{candle.open_ms}"
    key = f"{strategy}|{candle.symbol}|{candle.timeframe}|{moment}|{leg}"
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _order(decision: Decision, nth: int, kind: int, side: Side, size: Size) -> Order:
    leg = nth * LEGS_PER_INTENT + kind
    return Order(
        client_order_id=client_order_id(decision.strategy, decision.candle, leg),
        strategy=decision.strategy,
        symbol=decision.candle.symbol,
        row=decision.row,
        leg=leg,
        decided_ms=decision.candle.close_ms,
        side=side,
        size=size,
        reduce_only=kind == CLOSE,
    )
