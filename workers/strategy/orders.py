"""From an intent to orders: pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec

from protocol.messages.market import Instrument
from protocol.messages.trading import (
    AtPrice,
    Bracket,
    Cancel,
    EquityFraction,
    Order,
    Side,
    Size,
    WholePosition,
)
from workers.strategy.api import Intent, Risk, Stance

CLOSE, OPEN = 0, 1
LEGS_PER_WISH: Final = 2
LEGS_PER_MARKET: Final = 1000
DIRECTION: Final[dict[str, Stance]] = {"enter_long": "long", "enter_short": "short", "exit": "flat"}
OPENING_SIDE: Final[dict[Stance, Side]] = {"long": "buy", "short": "sell"}
CLOSING_SIDE: Final[dict[Stance, Side]] = {"long": "sell", "short": "buy"}


@dataclass(frozen=True)
class Decision:
    """Whose decision it is, on which row and at which moment it was made, and the price it saw.

    ``moment`` names the moment within symbol and timeframe; ``market`` numbers the inputs that are markets.
    """

    strategy: str
    row: int
    symbol: str
    timeframe: str
    moment: str
    at_ms: int
    price: Decimal
    default_size: Decimal
    market: int = 0

    def identity(self, leg: int) -> str:
        """Return the identity of the order of one leg: made twice, it is the same order."""
        key = f"{self.strategy}|{self.symbol}|{self.timeframe}|{self.moment}|{leg}"
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    def leg(self, nth: int, kind: int) -> int:
        """Return the leg of the ``nth`` wish of this moment."""
        return self.market * LEGS_PER_MARKET + nth * LEGS_PER_WISH + kind


def allowed(intent: Intent, instrument: Instrument) -> Intent:
    """Return the intent as the market allows it: on spot, a short entry becomes an exit."""
    if intent.action == "enter_short" and instrument.contract == "spot":
        reasons = (*intent.reasons, "spot cannot be sold short")
        return Intent("exit", intent.confidence, reasons, symbol=intent.symbol)
    return intent


def orders_for(intent: Intent, stance: Stance, decision: Decision, nth: int) -> tuple[Order, ...]:
    """Return the orders of the ``nth`` wish of a moment: first what closes, then what opens.

    An entry in the direction already held adds nothing unless it names a size of its own.
    """
    wanted = DIRECTION[intent.action]
    orders: list[Order] = []
    if stance not in ("flat", wanted):
        orders.append(_closing(intent, stance, decision, nth))
    if wanted != "flat" and (stance != wanted or intent.size is not None):
        orders.append(_opening(intent, wanted, decision, nth))
    return tuple(orders)


def cancels_for(targets: Iterable[str], decision: Decision, nth: int) -> tuple[Cancel, ...]:
    """Return what takes these orders back, all as one leg."""
    leg = decision.leg(nth, CLOSE)
    return tuple(
        Cancel(
            client_order_id=decision.identity(leg)[:16] + target[:16],
            strategy=decision.strategy,
            row=decision.row,
            leg=leg,
            target=target,
            decided_ms=decision.at_ms,
        )
        for target in targets
    )


def _closing(intent: Intent, stance: Stance, decision: Decision, nth: int) -> Order:
    exits = intent.action == "exit"
    size = intent.size if exits and intent.size is not None and not isinstance(intent.size, Risk) else None
    order = _order(decision, decision.leg(nth, CLOSE), CLOSING_SIDE[stance], size or WholePosition())
    order = msgspec.structs.replace(order, reduce_only=True)
    return _resting(order, intent) if exits else order


def _opening(intent: Intent, wanted: Stance, decision: Decision, nth: int) -> Order:
    size = _size(intent, wanted, decision)
    order = _resting(_order(decision, decision.leg(nth, OPEN), OPENING_SIDE[wanted], size), intent)
    if intent.stop or intent.target or intent.trail:
        bracket = Bracket(stop=intent.stop, target=intent.target, trail=intent.trail)
        return msgspec.structs.replace(order, bracket=bracket)
    return order


def _resting(order: Order, intent: Intent) -> Order:
    if intent.limit is None:
        return order
    return msgspec.structs.replace(
        order, kind="limit", limit=intent.limit, post_only=intent.post_only, expires_ms=intent.expires_ms
    )


def _size(intent: Intent, wanted: Stance, decision: Decision) -> Size:
    if not isinstance(intent.size, Risk):
        return intent.size or EquityFraction(decision.default_size)
    entry = intent.limit or decision.price
    stop = intent.stop
    away = abs(entry - stop.price) / entry if isinstance(stop, AtPrice) else stop.fraction if stop else 1
    share = intent.size.fraction / away if away else Decimal(1)
    # A floor, so that rounding never risks more than was said.
    return EquityFraction(min(share, Decimal(1)).quantize(Decimal("0.000001"), rounding="ROUND_FLOOR"))


def _order(decision: Decision, leg: int, side: Side, size: Size) -> Order:
    return Order(
        client_order_id=decision.identity(leg),
        strategy=decision.strategy,
        symbol=decision.symbol,
        row=decision.row,
        leg=leg,
        decided_ms=decision.at_ms,
        side=side,
        size=size,
        decided_price=decision.price,
        reason="signal",
    )
