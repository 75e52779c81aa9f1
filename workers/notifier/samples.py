"""One message of each kind, made as the real ones are: for trying channels and templates. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from protocol.messages.notice import SupervisionEvent
from protocol.messages.trading import (
    AccountRecord,
    DelayedEntry,
    Fill,
    OrderChanged,
    OrderStatus,
    TradeClosed,
    TradingChanged,
)
from workers.notifier import rounds
from workers.notifier.config import NotifierConfig
from workers.notifier.day import Tally
from workers.notifier.kinds import Words
from workers.notifier.message import Message, Told
from workers.notifier.trades import of_account
from workers.notifier.wording import of_event

_D: Final = Decimal
_DAY_MS: Final = 86_400_000
_EVENTS: Final[tuple[tuple[str, str | None, dict[str, Any]], ...]] = (
    ("root_started", None, {"config": "tree.toml", "version": "0.1.0"}),
    ("ready", "feed", {}),
    ("stop_asked", "feed", {"by": "operator"}),
    ("stopped", "feed", {}),
    ("restart_asked", "feed", {}),
    ("reloaded", None, {"what": "changed: feed"}),
    (
        "restarting",
        "feed",
        {
            "reason": "crashed",
            "attempt": 2,
            "max_restarts": 20,
            "consecutive_failures": 2,
            "uptime": 3725.0,
            "delay": 1.0,
        },
    ),
    ("hung", "strategy", {"silence": 5.0}),
    ("warning", "feed", {"what": "restarts near their limit", "restarts": 18, "max_restarts": 20}),
    ("parked", "strategy", {"reason": "config", "detail": "strategy.config.fast: allowed: a number above 0"}),
    ("held", "broker", {"reason": "crashed", "probe": 300.0}),
    ("escalated", "broker", {"to": "root"}),
    ("root_stopped", None, {}),
)


def samples(config: NotifierConfig, at_ms: int) -> list[Message]:
    """Return one message of each kind that is not off, in the user's own words where there are any."""
    words = Words(config.messages, config.templates)
    found = (words.message(told) for told in _told(config, at_ms))
    return [message for message in found if message is not None]


def _told(config: NotifierConfig, at_ms: int) -> Iterator[Told]:
    for event, child, facts in _EVENTS:
        if (told := of_event(SupervisionEvent(event=event, child=child, facts=facts), at_ms)) is not None:
            yield told
    yield rounds.rebooted(at_ms - 3 * 3_600_000, at_ms)
    error = {"child": "feed", "what": "connection refused", "count": "1"}
    yield Told(kind="error", at_ms=at_ms, fields=error)
    repeated = {"count": "17", "since": "2026-01-01 12:00", "last": "feed had an error: connection refused"}
    yield Told(kind="repeated", at_ms=at_ms, fields=repeated)
    yield Told(kind="dropped", at_ms=at_ms, fields={"channel": "telegram", "count": "20"})
    for record in _records(at_ms):
        if (told := of_account(record)) is not None:
            yield told
    yield from _by_the_clock(config, at_ms)


def _by_the_clock(config: NotifierConfig, at_ms: int) -> Iterator[Told]:
    day = Tally(
        since_ms=at_ms - _DAY_MS, trades=4, fills=9, wins=3, profit=_D("12.5"), fees=_D("1.2"), restarts=1
    )
    equity = [(at_ms - _DAY_MS + n * 3_600_000, _D(10_000 + 40 * ((n * 7) % 11) + 5 * n)) for n in range(24)]
    yield rounds.heartbeat(day, 7_200_000, at_ms)
    yield rounds.health({"feed": "ready", "broker": "ready degraded"}, at_ms)
    yield rounds.daily(day, equity, started_ms=at_ms - _DAY_MS, zone=config.time_zone, at_ms=at_ms)


def _records(at_ms: int) -> Iterator[AccountRecord]:
    yield _fill("buy", "0.5", "0.5", at_ms)
    yield _fill("buy", "0.25", "0.75", at_ms)
    yield _fill("sell", "0.25", "0.5", at_ms)
    yield TradeClosed(
        symbol="BTC/USDT",
        strategy="ma_cross",
        side="long",
        quantity=_D("0.5"),
        entry=_D(42_000),
        exit=_D(42_500),
        opened_ms=at_ms - 3_600_000,
        closed_ms=at_ms,
        realised=_D("229"),
        fees=_D("21"),
        funding=_D(0),
        reason="target",
    )
    yield DelayedEntry(
        client_order_id="sample",
        strategy="ma_cross",
        symbol="BTC/USDT",
        side="buy",
        decided_price=_D(42_000),
        price=_D(42_010),
        delay_ms=30_000,
        at_ms=at_ms,
    )
    statuses: tuple[OrderStatus, ...] = ("denied", "rejected", "cancelled", "expired")
    for status in statuses:
        yield OrderChanged(
            client_order_id="sample",
            strategy="ma_cross",
            symbol="BTC/USDT",
            side="sell",
            status=status,
            at_ms=at_ms,
            code="sample",
        )
    yield TradingChanged(
        state="reducing", trigger="daily_loss", critical=False, at_ms=at_ms, until_ms=at_ms + _DAY_MS
    )
    yield TradingChanged(state="halted", trigger="kill_switch", critical=True, at_ms=at_ms)
    yield TradingChanged(state="active", trigger="operator", critical=False, at_ms=at_ms)


def _fill(side: Any, quantity: str, position: str, at_ms: int) -> Fill:
    return Fill(
        fill_id="sample",
        client_order_id="sample",
        strategy="ma_cross",
        symbol="BTC/USDT",
        side=side,
        price=_D(42_000),
        quantity=_D(quantity),
        fee=_D("10.5"),
        realised=_D("1.5"),
        position=_D(position),
        at_ms=at_ms,
        row=1,
    )
