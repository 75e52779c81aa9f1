"""What people read of an account."""

from __future__ import annotations

import pytest

from protocol.messages.trading import (
    AccountRecord,
    DelayedEntry,
    Fill,
    OrderChanged,
    Side,
    Through,
    TradeClosed,
    TradingChanged,
)
from tests.workers.broker.bench import D
from workers.notifier.kinds import Words
from workers.notifier.message import Message
from workers.notifier.trades import amount, of_account


def fill(side: Side, quantity: str, position: str, realised: str = "0") -> Fill:
    """Return a fill that left ``position``."""
    return Fill(
        fill_id="a:1",
        client_order_id="a",
        strategy="trend",
        symbol="BTC/USDT",
        side=side,
        price=D("42000.50"),
        quantity=D(quantity),
        fee=D("0.21000000"),
        realised=D(realised),
        position=D(position),
        at_ms=60_000,
        row=2,
    )


def closed(realised: str) -> TradeClosed:
    """Return a round trip that made so much."""
    return TradeClosed(
        symbol="BTC/USDT",
        strategy="trend",
        side="long",
        quantity=D("1.0"),
        entry=D("42000"),
        exit=D("42012.50"),
        opened_ms=60_000,
        closed_ms=3_660_000,
        realised=D(realised),
        fees=D("0.42"),
        funding=D("-0.10"),
        reason="target",
    )


def order(status: str, code: str | None = None, detail: str | None = None) -> OrderChanged:
    """Return a change of an order."""
    return OrderChanged(
        client_order_id="a",
        strategy="s",
        symbol="X",
        side="sell",
        status=status,  # type: ignore[arg-type]
        at_ms=1,
        code=code,
        detail=detail,
    )


def told(record: AccountRecord) -> Message | None:
    """Return the message that a record makes, if it makes one."""
    found = of_account(record)
    return None if found is None else Words().message(found)


@pytest.mark.req("N1")
@pytest.mark.parametrize(
    ("record", "kind", "text"),
    [
        (
            fill("buy", "1", "1"),
            "trade_opened",
            "Opened long BTC/USDT: buy 1 at 42000.5, fee 0.21, now 1 (trend)",
        ),
        (
            fill("sell", "3", "-1", "2"),
            "trade_opened",
            "Opened short BTC/USDT: sell 3 at 42000.5, fee 0.21, now -1 (trend)",
        ),
        (
            fill("sell", "1", "-3"),
            "trade_added",
            "Added to short BTC/USDT: sell 1 at 42000.5, fee 0.21, now -3 (trend)",
        ),
        (
            fill("buy", "1", "-2", "-5"),
            "trade_reduced",
            "Reduced short BTC/USDT: buy 1 at 42000.5, profit -5, fee 0.21, now -2 (trend)",
        ),
        (
            closed("12.180000"),
            "trade_closed",
            "Closed long BTC/USDT (target): 1 from 42000 to 42012.5, profit 12.18 after fees of 0.42 and"
            " funding of -0.1, held 1h (trend)",
        ),
        (
            DelayedEntry(
                client_order_id="a",
                strategy="trend",
                symbol="X",
                side="buy",
                decided_price=D("100.0"),
                price=D("101.5"),
                delay_ms=30_000,
                at_ms=5,
            ),
            "delayed_entry",
            "Entry recorded after 30s: buy X, decided at 100, now 101.5 (trend)",
        ),
        (
            TradingChanged(
                state="reducing",
                trigger="daily_loss",
                critical=False,
                at_ms=5,
                until_ms=86_400_000,
                detail="-3.1 %",
            ),
            "trading_reducing",
            "No new entries: daily loss (-3.1 %), until 1970-01-02 00:00 UTC",
        ),
        (
            TradingChanged(state="halted", trigger="kill_switch", critical=True, at_ms=5),
            "trading_halted",
            "Trading is halted: kill switch, until an operator resumes",
        ),
        (
            TradingChanged(state="active", trigger="operator", critical=False, at_ms=5, strategy="trend"),
            "trading_active",
            "Trading goes on: operator of trend",
        ),
        (
            order("denied", "short_not_allowed", "spot holds 0"),
            "order_denied",
            "Order denied: sell X of s (short_not_allowed: spot holds 0)",
        ),
        (order("expired"), "order_expired", "Order expired: sell X of s (no reason given)"),
    ],
)
def test_what_is_told_of_an_account(record: AccountRecord, kind: str, text: str) -> None:
    """Each change of the position, of an order that failed and of the trading state has its words."""
    message = told(record)

    assert message is not None
    assert (message.kind, message.text) == (kind, text)


@pytest.mark.req("N1")
def test_what_is_nothing_to_tell() -> None:
    """Routine: accepted, filled (the fill tells), the fill that closes (the trade tells), a dry run."""
    records = (
        order("accepted"),
        order("filled"),
        order("denied", "dry_run"),
        fill("sell", "1", "0", "12.5"),
        Through(5),
    )
    assert [told(record) for record in records] == [None] * 5


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        ("1.500", None, "1.5"),
        ("100", None, "100"),
        ("-0.00", 8, "0"),
        ("0.123456789", 4, "0.1235"),
        ("1E+3", None, "1000"),
    ],
)
def test_amounts(value: str, places: int | None, text: str) -> None:
    """Without superfluous zeros, never in powers of ten."""
    assert amount(D(value), places) == text
