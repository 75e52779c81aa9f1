"""Leverage and isolated margin of linear contracts (R12). Pure.

The margin of a position is its cost divided by the leverage. It is liquidated at the mark where that margin,
less the fee of closing, has shrunk to the maintenance margin:

    long   (entry - margin/q) / (1 - (mmr + taker))
    short  (entry + margin/q) / (1 + (mmr + taker))
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from protocol.messages.market import Instrument, MarginTier
from workers.broker.ledger import Position
from workers.broker.matching import Terms
from workers.broker.money import CENT, ZERO, ceil_to, exactly, floor_to, ratio

MAINTENANCE: Final = Decimal("0.005")
"""Of instruments whose tiers nobody knows: half a per cent, a usual first tier of the large venues."""
_FINE: Final = Decimal("1e-18")


def tier_of(instrument: Instrument, notional: Decimal) -> MarginTier | None:
    """Return the tier of a notional: the last one for what is beyond all; None when no tiers are known."""
    fitting = (tier for tier in instrument.tiers if notional <= tier.notional)
    return next(fitting, instrument.tiers[-1] if instrument.tiers else None)


@exactly
def liquidation_price(held: Position, instrument: Instrument, terms: Terms) -> Decimal | None:
    """Return the mark at which a position is liquidated; None where that never happens (spot, no debt)."""
    if held.contract == "spot" or not held.quantity:
        return None
    entry = floor_to(held.average, _FINE)
    tier = tier_of(instrument, abs(held.cost))
    keep = (tier.maintenance if tier else MAINTENANCE) + terms.taker
    margin = floor_to(ratio(entry, terms.leverage), _FINE)
    if held.quantity > 0:
        return ceil_to(ratio(entry - margin, 1 - keep), _FINE) if entry > margin else None
    return floor_to(ratio(entry + margin, 1 + keep), _FINE)


@exactly
def margin_of(held: Position | None, leverage: Decimal) -> Decimal:
    """Return what a position binds: its cost on spot, else its cost divided by the leverage."""
    if held is None:
        return ZERO
    return abs(held.cost) if held.contract == "spot" else ceil_to(ratio(abs(held.cost), leverage), CENT)
