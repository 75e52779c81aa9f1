"""From intents to orders, and their identity."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest
from msgspec.structs import replace

from protocol.codec import MARKET
from protocol.messages.market import Candle
from protocol.messages.trading import AtPrice, Away, Bracket, EquityFraction, Quantity, WholePosition
from tests.workers.strategy.market import candle, role
from workers.strategy.api import Intent, Risk
from workers.strategy.moment import at_close
from workers.strategy.orders import Decision, cancels_for, orders_for
from workers.strategy.watch import Watch


def decided(at: Candle, strategy: str = "s") -> Decision:
    """Return a decision at the close of a candle."""
    size = Decimal("0.05")
    name = at_close(Watch(role(), 2, 0), 1, at, None).name
    return Decision(strategy, 1, at.symbol, at.timeframe, name, at.close_ms, at.close, size)


def identity(strategy: str, at: Candle, leg: int) -> str:
    return decided(at, strategy).identity(leg)


@pytest.mark.req("B1")
def test_identity_is_of_the_decision() -> None:
    """The same decision made twice is one order; any other candle, leg or strategy is another."""
    same = {identity("s", candle(1, 10), 0), identity("s", candle(1, 11), 0)}
    others = {
        identity("t", candle(1, 10), 0),
        identity("s", candle(2, 10), 0),
        identity("s", candle(1, 10), 1),
    }

    assert (1, 3) == (len(same), len(others - same))
    assert hashlib.sha256(b"s|BTC/USDT|1m|60000|0").hexdigest()[:32] in same


@pytest.mark.req("T1")
def test_rows_of_one_moment_are_told_apart() -> None:
    """Trades of one millisecond: each is taken once and in order, and its decisions are its own."""
    watch, first = Watch(role(), 2, 0), candle(1, 10)
    second = replace(first, nth=1)
    taken = [watch.take(one, MARKET.encode(one)) for one in (first, first, second, second, candle(2, 10))]

    assert [True, False, True, False, True] == taken
    assert identity("s", first, 0) != identity("s", second, 0)


@pytest.mark.req("T1")
def test_an_entry_carries_what_protects_it() -> None:
    """Stop, target and trail go with the entry, not with what closes the other side first."""
    intent = Intent("enter_long", stop=Away(Decimal("0.02")), target=AtPrice(Decimal(120)))
    closing, opening = orders_for(intent, "short", decided(candle(1, 100)), 0)

    assert (True, None, WholePosition()) == (closing.reduce_only, closing.bracket, closing.size)
    assert Bracket(stop=Away(Decimal("0.02")), target=AtPrice(Decimal(120))) == opening.bracket
    assert (Decimal(100), "signal", "market") == (opening.decided_price, opening.reason, opening.kind)


def test_a_limit_rests_and_the_turn_does_not_wait_for_it() -> None:
    """The entry stands at its price; what closes the other side goes at the market."""
    intent = Intent("enter_long", limit=Decimal(99), post_only=True, expires_ms=5)
    closing, opening = orders_for(intent, "short", decided(candle(1, 100)), 0)

    assert ("market", None) == (closing.kind, closing.limit)
    assert ("limit", Decimal(99), True, 5) == (
        opening.kind,
        opening.limit,
        opening.post_only,
        opening.expires_ms,
    )


def test_an_exit_may_be_of_a_part_and_at_a_price() -> None:
    """A size of its own closes that much; a limit lets it rest."""
    intent = Intent("exit", size=Quantity(Decimal(2)), limit=Decimal(130))
    (order,) = orders_for(intent, "long", decided(candle(1, 100)), 0)

    assert (Quantity(Decimal(2)), "limit", True, "sell") == (
        order.size,
        order.kind,
        order.reduce_only,
        order.side,
    )


@pytest.mark.parametrize(
    ("stop", "fraction", "share"),
    [
        (Away(Decimal("0.02")), "0.01", "0.5"),
        (AtPrice(Decimal(97)), "0.01", "0.333333"),
        (Away(Decimal("0.001")), "0.01", "1"),
        (AtPrice(Decimal(100)), "0.01", "1"),
    ],
)
def test_risk_is_what_the_stop_costs(stop: AtPrice | Away, fraction: str, share: str) -> None:
    """One percent of equity at a stop two percent away buys half of the equity, and never more than all of
    it."""
    intent = Intent("enter_long", size=Risk(Decimal(fraction)), stop=stop)
    (order,) = orders_for(intent, "flat", decided(candle(1, 100)), 0)

    assert EquityFraction(Decimal(share)) == order.size


def test_cancels_have_identities_of_their_own() -> None:
    """Taking back two orders at one moment is two records, the same when decided again."""
    first = cancels_for(("a" * 32, "b" * 32), decided(candle(1, 100)), 0)
    again = cancels_for(("a" * 32, "b" * 32), decided(candle(1, 100)), 0)

    assert first == again
    assert 2 == len({cancel.client_order_id for cancel in first})
