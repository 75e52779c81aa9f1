"""What people read."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.messages.notice import SupervisionEvent
from protocol.messages.trading import Fill, OrderChanged, Side, Through
from tests.workers.broker.bench import D
from workers.notifier.wording import duration, of_account, of_event


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
            fill("sell", "1", "0", "12.50"),
            "trade_closed",
            "Closed long BTC/USDT: sell 1 at 42000.5, profit 12.5, fee 0.21, now 0 (trend)",
        ),
        (
            fill("sell", "3", "-1", "2"),
            "trade_reversed",
            "Reversed to short BTC/USDT: sell 3 at 42000.5, profit 2, fee 0.21, now -1 (trend)",
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
    ],
    ids=["opened", "closed", "reversed", "added", "reduced"],
)
def test_trades(record: Fill, kind: str, text: str) -> None:
    """Each change of the position has its word; the time is that of the data."""
    message = of_account(record)

    assert message is not None
    assert (message.kind, message.text, message.at_ms) == (kind, text, 60_000)


@pytest.mark.req("N1")
def test_a_restart_is_told_with_all_its_facts() -> None:
    """Attempt, reason, consecutive failures, uptime, next try."""
    facts: dict[str, Any] = {
        "attempt": 2,
        "max_restarts": 20,
        "delay": 1.5,
        "reason": "killed",
        "consecutive_failures": 2,
        "uptime": 3725.0,
    }
    message = of_event(SupervisionEvent(event="restarting", child="feed", facts=facts), 5)

    assert message is not None
    assert message.priority == "warning"
    assert message.text == (
        "feed is restarted: killed, attempt 2 of 20, 2 failures in a row, it was up 1h 2m, next try in 1.5s"
    )


@pytest.mark.req("N1")
@pytest.mark.parametrize(
    ("event", "priority"),
    [
        ("root_started", "info"),
        ("root_stopped", "info"),
        ("stop_asked", "info"),
        ("restart_asked", "info"),
        ("reloaded", "info"),
        ("restarting", "warning"),
        ("warning", "warning"),
        ("parked", "critical"),
        ("held", "critical"),
        ("escalated", "critical"),
    ],
)
def test_an_event_without_facts_still_makes_a_sentence(event: str, priority: str) -> None:
    """A root of another version may leave facts out."""
    message = of_event(SupervisionEvent(event=event, child="feed"), 5)

    assert message is not None
    assert (message.kind, message.priority, message.at_ms) == (event, priority, 5)
    assert message.text


def test_what_is_nothing_to_tell() -> None:
    """Routine is silent: spawned, ready, accepted, filled (the fill tells), a dry run, a horizon."""
    changed = OrderChanged(
        client_order_id="a", strategy="s", symbol="X", side="buy", status="accepted", at_ms=1
    )
    dry = OrderChanged(
        client_order_id="a", strategy="s", symbol="X", side="buy", status="denied", at_ms=1, code="dry_run"
    )

    assert of_event(SupervisionEvent(event="spawned", child="feed"), 5) is None
    assert [of_account(record) for record in (changed, dry, Through(5))] == [None, None, None]


def test_a_refused_order_is_a_warning_with_its_reason() -> None:
    """The typed code and the sentence of the broker."""
    denied = OrderChanged(
        client_order_id="a",
        strategy="s",
        symbol="X",
        side="sell",
        status="denied",
        at_ms=1,
        code="short_not_allowed",
        detail="spot holds 0",
    )
    message = of_account(denied)

    assert message is not None
    assert message.text == "Order denied: sell X of s (short_not_allowed: spot holds 0)"
    assert message.priority == "warning"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (4.25, "4.2s"),
        (59.99, "60s"),
        (60, "1m"),
        (3725, "1h 2m"),
        (90000, "1d 1h"),
        (None, "unknown"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    """Two units at most."""
    assert duration(seconds) == words
