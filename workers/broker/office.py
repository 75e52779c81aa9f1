"""The office of one market: who admits orders, keeps the books and watches the risk, whatever the venue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from protocol.messages.market import Instrument
from protocol.messages.stream import MarketRole
from workers.broker.clerk import Clerk
from workers.broker.desk import Desk
from workers.broker.liquidation import Liquidator
from workers.broker.marking import Marker
from workers.broker.matching import Terms
from workers.broker.notes import Notes
from workers.broker.risk import Risk
from workers.broker.state import BrokerState
from workers.broker.venue import Venue


@dataclass(frozen=True, kw_only=True)
class Office:
    """What a venue is opened with: it tells the clerk what happened, and the desk what a cancel has freed."""

    state: BrokerState
    terms: Terms
    instrument: Instrument
    notes: Notes
    clerk: Clerk
    desk: Desk
    marker: Marker
    liquidator: Liquidator
    risk: Risk


OpenVenue = Callable[[Office], Venue]
"""Makes the venue of a market; the broker's one choice of where it trades."""


def furnish(
    role: MarketRole, state: BrokerState, terms: Terms, notes: Notes, risk: Risk, *, dry_run: bool
) -> Office:
    """Return the office of a market, its venue not chosen yet."""
    instrument, terms = role.instrument, _with_fees(terms, role.instrument)
    clerk = Clerk(state, terms, instrument, notes, risk, permissive=role.lockstep)
    return Office(
        state=state,
        terms=terms,
        instrument=instrument,
        notes=notes,
        clerk=clerk,
        desk=Desk(state, terms, role, notes, clerk=clerk, risk=risk, dry_run=dry_run),
        marker=Marker(state, instrument, risk),
        liquidator=Liquidator(state, terms, instrument, clerk),
        risk=risk,
    )


def _with_fees(terms: Terms, instrument: Instrument) -> Terms:
    """R10: fees by instrument; where the venue does not tell them, those of the configuration."""
    maker = terms.maker if instrument.maker is None else instrument.maker
    taker = terms.taker if instrument.taker is None else instrument.taker
    return replace(terms, maker=maker, taker=taker)
