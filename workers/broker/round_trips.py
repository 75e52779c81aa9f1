"""Round trips: from flat to flat (or through it), what a position made. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from protocol.messages.trading import Fill, TradeClosed
from workers.broker.money import ZERO, exactly, floor_to, ratio, share

_PLACES: Final = Decimal("1e-12")


class RoundTrip(Struct, frozen=True, kw_only=True):
    """A position that is still held, with what it cost and made so far.

    ``strategy`` opened it. ``entered`` and ``left`` are quantities (positive), ``entry_value`` and
    ``exit_value`` what they were worth at their prices.
    """

    strategy: str
    long: bool
    opened_ms: int
    entered: Decimal = ZERO
    entry_value: Decimal = ZERO
    left: Decimal = ZERO
    exit_value: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO


class Counted(NamedTuple):
    """The trip after a fill (None: flat), and the trade that it closed, if any."""

    trip: RoundTrip | None
    closed: TradeClosed | None


@exactly
def counted(trip: RoundTrip | None, fill: Fill, reason: str) -> Counted:
    """Count a fill. A flip closes at the fill's price and opens the rest there; its fee is shared by
    quantity.
    """
    signed = fill.quantity if fill.side == "buy" else -fill.quantity
    before = fill.position - signed
    if trip is None or before * signed >= 0:
        return Counted(_entered(trip or _opened(fill, signed), fill.quantity, fill.price, fill.fee), None)
    closing = min(abs(before), fill.quantity)
    paid = share(fill.fee, closing, fill.quantity)
    after = replace(
        trip,
        left=trip.left + closing,
        exit_value=trip.exit_value + closing * fill.price,
        realised=trip.realised + fill.realised,
        fees=trip.fees + paid,
    )
    if before * fill.position > 0:
        return Counted(after, None)
    rest = fill.quantity - closing
    fresh = _entered(_opened(fill, signed), rest, fill.price, fill.fee - paid) if rest else None
    return Counted(fresh, _closed(after, fill, reason))


def with_funding(trip: RoundTrip, amount: Decimal) -> RoundTrip:
    """Count funding that was received (negative: paid)."""
    return replace(trip, funding=trip.funding + amount)


def _opened(fill: Fill, signed: Decimal) -> RoundTrip:
    return RoundTrip(strategy=fill.strategy, long=signed > 0, opened_ms=fill.at_ms)


def _entered(trip: RoundTrip, quantity: Decimal, price: Decimal, paid: Decimal) -> RoundTrip:
    return replace(
        trip,
        entered=trip.entered + quantity,
        entry_value=trip.entry_value + quantity * price,
        fees=trip.fees + paid,
    )


def _closed(trip: RoundTrip, fill: Fill, reason: str) -> TradeClosed:
    return TradeClosed(
        symbol=fill.symbol,
        strategy=trip.strategy,
        side="long" if trip.long else "short",
        quantity=trip.left,
        entry=_average(trip.entry_value, trip.entered),
        exit=_average(trip.exit_value, trip.left),
        opened_ms=trip.opened_ms,
        closed_ms=fill.at_ms,
        realised=trip.realised - trip.fees + trip.funding,
        fees=trip.fees,
        funding=trip.funding,
        reason=reason,
    )


def _average(value: Decimal, quantity: Decimal) -> Decimal:
    """Return a price for people: cut to 12 places."""
    return floor_to(ratio(value, quantity), _PLACES)
