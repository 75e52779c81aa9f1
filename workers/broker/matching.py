"""What a price becomes for the trader: slippage, rounding and fees, always against him."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct

from protocol.messages.trading import Side
from workers.broker.money import CENT, ZERO, ceil_to, exactly, floor_to, ratio

Liquidity = Literal["maker", "taker"]
BASIS_POINT: Final = Decimal("0.0001")


class Terms(Struct, frozen=True, kw_only=True):
    """What trading costs: fees as fractions of notional, slippage in basis points; and the leverage wanted.

    ``entry_delay_ms`` is how long an entry waits on purpose. ``max_age_ms`` is the age from which an order is
    stale in a live market (None: a quarter of the timeframe).
    """

    taker: Decimal = Decimal("0.0005")
    slippage_bps: Decimal = Decimal(1)
    maker: Decimal = Decimal("0.0002")
    leverage: Decimal = Decimal(1)
    entry_delay_ms: int = 0
    max_age_ms: int | None = None


@exactly
def taker_price(side: Side, price: Decimal, terms: Terms, tick: Decimal) -> Decimal:
    """Return ``price`` with slippage, rounded to the tick, both against the trader (never below a tick)."""
    if side == "buy":
        return ceil_to(price * (1 + terms.slippage_bps * BASIS_POINT), tick)
    return max(floor_to(price * (1 - terms.slippage_bps * BASIS_POINT), tick), tick)


@exactly
def fee(quantity: Decimal, price: Decimal, terms: Terms, liquidity: Liquidity = "taker") -> Decimal:
    """Return the fee on the notional, rounded up to 8 places."""
    return ceil_to(quantity * price * (terms.taker if liquidity == "taker" else terms.maker), CENT)


@exactly
def affordable(funds: Decimal, price: Decimal, terms: Terms, step: Decimal, leverage: Decimal) -> Decimal:
    """Return the largest quantity whose margin and fee ``funds`` pay for, on the grid of ``step``."""
    unit = price * (1 + terms.taker * leverage)
    return max(floor_to(ratio((funds - CENT) * leverage, unit), step), ZERO)  # a cent for the fee's rounding


def at_least_as_good(side: Side, price: Decimal, limit: Decimal) -> bool:
    """Whether the trader gets ``limit`` or better."""
    return price <= limit if side == "buy" else price >= limit


def limit_on_tick(side: Side, price: Decimal, tick: Decimal) -> Decimal:
    """Round a limit to the tick away from advantage: a buyer never bids more than he said."""
    return floor_to(price, tick) if side == "buy" else ceil_to(price, tick)


def stop_on_tick(side: Side, price: Decimal, tick: Decimal) -> Decimal:
    """Round a stop to the tick away from advantage: it is touched later, and fills worse."""
    return ceil_to(price, tick) if side == "buy" else floor_to(price, tick)
