"""Circuit breakers: a table of what trips them, and what that does. Pure; time is that of the data.

What they watch is kept with the state, so that a restart forgets no loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from protocol.messages.trading import TradingState
from workers.broker.money import ZERO, exactly, ratio
from workers.broker.trading_state import Curb

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True)
class Breaker:
    """What a trigger does."""

    state: TradingState
    critical: bool


# What each trigger does. How long: see `until_ms` where it is tripped; None there means until an operator
# resets.
BREAKERS: Final[Mapping[str, Breaker]] = {
    "daily_loss": Breaker("reducing", critical=False),  # until the next day
    "drawdown": Breaker("halted", critical=True),
    "losses": Breaker("reducing", critical=False),  # that strategy, for the cooldown
    "orders": Breaker("halted", critical=True),  # that strategy
    "errors": Breaker("reducing", critical=False),  # that strategy, for the cooldown
    "market": Breaker("reducing", critical=False),  # while it lasts
    "storage": Breaker("reducing", critical=True),  # while it lasts
    "venue": Breaker("reducing", critical=False),  # until it has said how the account stands there
    "reconciliation": Breaker("halted", critical=True),
    "kill_switch": Breaker("halted", critical=True),
    "operator": Breaker("reducing", critical=False),
}


class Limits(Struct, frozen=True, kw_only=True):
    """Where breakers trip; None: that one never does.

    ``daily_loss`` and ``drawdown`` are fractions of the equity at 00:00 UTC and of its high; ``losses`` round
    trips in a row and ``orders`` a minute count for each strategy. ``continuous``: what is not critical ends
    by itself.
    """

    daily_loss: Decimal | None = Decimal("0.03")
    drawdown: Decimal | None = Decimal("0.1")
    losses: int | None = 5
    orders: int | None = 60
    cooldown_ms: int = HOUR_MS
    continuous: bool = True


OFF: Final = Limits(daily_loss=None, drawdown=None, losses=None, orders=None)


class Watch(Struct, kw_only=True):
    """What breakers remember: the day (number since 1970) and its first equity, the high, losses in a row and
    orders of the minute by strategy."""

    day: int = -1
    day_equity: Decimal = ZERO
    high: Decimal = ZERO
    losses: dict[str, int] = field(default_factory=dict)
    minute: int = -1
    orders: dict[str, int] = field(default_factory=dict)


def marked(watch: Watch, limits: Limits, equity: Decimal, at_ms: int) -> list[Curb]:
    """Learn the equity at this moment and return what it trips."""
    day = at_ms // DAY_MS
    if day != watch.day:
        watch.day, watch.day_equity = day, equity
    watch.high = max(watch.high, equity)
    tripped = []
    if limits.daily_loss is not None and _lost(equity, watch.day_equity, limits.daily_loss):
        until = (day + 1) * DAY_MS
        tripped.append(
            _curb("daily_loss", limits, at_ms, until, _fall(equity, watch.day_equity, "00:00 UTC"))
        )
    if limits.drawdown is not None and _lost(equity, watch.high, limits.drawdown):
        tripped.append(_curb("drawdown", limits, at_ms, None, _fall(equity, watch.high, "its high")))
    return tripped


def closed(watch: Watch, limits: Limits, strategy: str, made: Decimal, at_ms: int) -> list[Curb]:
    """Learn what a round trip of a strategy made and return what it trips."""
    watch.losses[strategy] = watch.losses.get(strategy, 0) + 1 if made < 0 else 0
    if limits.losses is None or watch.losses[strategy] < limits.losses:
        return []
    detail = f"{watch.losses[strategy]} losses in a row"
    watch.losses[strategy] = 0
    return [_curb("losses", limits, at_ms, at_ms + limits.cooldown_ms, detail, strategy)]


def ordered(watch: Watch, limits: Limits, strategy: str, at_ms: int) -> list[Curb]:
    """Learn of an order and return what it trips."""
    if limits.orders is None:
        return []
    if (minute := at_ms // MINUTE_MS) != watch.minute:
        watch.minute, watch.orders = minute, {}
    watch.orders[strategy] = watch.orders.get(strategy, 0) + 1
    if watch.orders[strategy] <= limits.orders:
        return []
    detail = f"more than {limits.orders} orders in a minute"
    return [_curb("orders", limits, at_ms, None, detail, strategy)]


def spent(limits: Limits, strategy: str, errors: int, at_ms: int) -> list[Curb]:
    """Learn that a run of a strategy had as many errors as it may, and return what that trips."""
    if limits is OFF:
        return []
    until = at_ms + limits.cooldown_ms
    return [_curb("errors", limits, at_ms, until, f"{errors} errors in one run", strategy)]


def reset(watch: Watch, equity: Decimal, strategy: str | None) -> None:
    """Begin anew after an operator has looked: what tripped once shall not trip again at once."""
    names = list(watch.losses) if strategy is None else [strategy]
    for name in names:
        watch.losses[name] = 0
    watch.orders = {}
    if strategy is None:
        watch.high = watch.day_equity = equity


def _curb(
    trigger: str, limits: Limits, at_ms: int, until_ms: int | None, detail: str, strategy: str | None = None
) -> Curb:
    breaker = BREAKERS[trigger]
    return Curb(
        trigger=trigger,
        state=breaker.state,
        critical=breaker.critical,
        since_ms=at_ms,
        strategy=strategy,
        until_ms=until_ms if limits.continuous else None,
        detail=detail,
    )


@exactly
def _lost(equity: Decimal, before: Decimal, fraction: Decimal) -> bool:
    return before > 0 and before - equity >= before * fraction


def _fall(equity: Decimal, before: Decimal, since: str) -> str:
    percent = ratio((before - equity) * 100, before)
    return f"equity {equity:.2f} is {percent:.2f} % below that of {since}"
