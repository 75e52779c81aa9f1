"""Leverage and liquidation (R12), by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from protocol.messages.market import Instrument, MarginTier
from tests.workers.broker.bench import D
from workers.broker.ledger import Position
from workers.broker.margin import liquidation_price, margin_of, tier_of
from workers.broker.matching import Terms

TIERS = (MarginTier(D(1000), D(20), D("0.01")), MarginTier(D(5000), D(5), D("0.04")))
KNOWN = Instrument(contract="linear", tiers=TIERS)
UNKNOWN = Instrument(contract="linear")
TEN = Terms(taker=D("0.001"), leverage=D(10))


def cents(price: Decimal | None) -> str | None:
    """Show a price to four places."""
    return None if price is None else f"{price:.4f}"


@pytest.mark.req("B2")
@pytest.mark.parametrize(
    ("quantity", "instrument", "terms", "found"),
    [
        ("5", KNOWN, TEN, "91.0010"),  # 500: (100 - 10) / (1 - 0.011)
        ("-5", KNOWN, TEN, "108.8032"),  # (100 + 10) / (1 + 0.011)
        ("20", KNOWN, TEN, "93.8478"),  # 2000: (100 - 10) / (1 - 0.041)
        ("90", KNOWN, TEN, "93.8478"),  # beyond all tiers: the last one
        ("5", UNKNOWN, TEN, "90.5433"),  # half a per cent: (100 - 10) / (1 - 0.006)
        ("5", UNKNOWN, Terms(taker=D("0.001")), None),  # without debt there is nothing to call in
        ("-5", UNKNOWN, Terms(taker=D("0.001")), "198.8072"),  # a short owes: (100 + 100) / 1.006
        ("0", KNOWN, TEN, None),
    ],
)
def test_the_level_of_liquidation(
    quantity: str, instrument: Instrument, terms: Terms, found: str | None
) -> None:
    """Entry 100 in each; margin is 10 at leverage ten."""
    held = Position("linear", D(quantity), D(quantity) * 100)
    assert cents(liquidation_price(held, instrument, terms)) == found


@pytest.mark.req("B2")
def test_spot_is_never_liquidated_and_binds_its_cost() -> None:
    """A linear position binds its cost divided by the leverage, a cent's fraction up."""
    assert liquidation_price(Position("spot", D(5), D(500)), KNOWN, TEN) is None
    assert margin_of(Position("spot", D(5), D(500)), D(10)) == 500
    assert margin_of(Position("linear", D(-1), D(-100)), D(3)) == D("33.33333334")
    assert margin_of(None, D(3)) == 0


@pytest.mark.req("B2")
def test_the_tier_is_that_of_the_notional() -> None:
    """Up to and including its bound; the last for what is beyond all."""
    assert [tier_of(KNOWN, D(n)) for n in (1000, 1001, 9999)] == [TIERS[0], TIERS[1], TIERS[1]]
    assert tier_of(UNKNOWN, D(1)) is None
