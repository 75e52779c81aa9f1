"""From records of an account to what is told of them. Pure; None where there is nothing to tell a person."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from protocol.messages.trading import (
    AccountRecord,
    DelayedEntry,
    Fill,
    OrderChanged,
    TradeClosed,
    TradingChanged,
)
from workers.notifier.message import Told
from workers.notifier.repeats import alike
from workers.notifier.wording import duration


def of_account(record: AccountRecord) -> Told | None:
    """Tell of a trade, of an order that was refused, of a breaker."""
    match record:
        case Fill():
            return _of_fill(record)
        case TradeClosed():
            return _of_closed(record)
        case DelayedEntry():
            return _of_delayed(record)
        case TradingChanged():
            return _of_trading(record)
        case OrderChanged(status="denied" | "rejected" | "cancelled" | "expired") if record.code != "dry_run":
            return _of_refusal(record)
        case _:
            return None


def amount(value: Decimal, places: int | None = None) -> str:
    """Write an amount without superfluous zeros, in at most so many places."""
    if places is not None:
        value = round(value, places)
    plain = f"{value:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain == "-0" else plain


def _of_fill(fill: Fill) -> Told | None:
    """Tell what a fill made of the position; what it closed is told by the trade that ended."""
    after = fill.position
    before = after - (fill.quantity if fill.side == "buy" else -fill.quantity)
    kind = _change(before, after)
    if kind is None:
        return None
    fields = {
        "direction": "long" if after > 0 else "short",
        "symbol": fill.symbol,
        "side": fill.side,
        "quantity": amount(fill.quantity),
        "price": amount(fill.price),
        "fee": amount(fill.fee),
        "profit": amount(fill.realised),
        "position": amount(after),
        "strategy": fill.strategy,
    }
    return Told(kind=kind, at_ms=fill.at_ms, fields=fields)


def _change(before: Decimal, after: Decimal) -> str | None:
    if not after:
        return None
    if not before or (before > 0) != (after > 0):
        return "trade_opened"
    return "trade_added" if abs(after) > abs(before) else "trade_reduced"


def _of_closed(trade: TradeClosed) -> Told:
    fields = {
        "direction": trade.side,
        "symbol": trade.symbol,
        "reason": trade.reason,
        "quantity": amount(trade.quantity),
        "entry": amount(trade.entry, 8),
        "exit": amount(trade.exit, 8),
        "profit": amount(trade.realised, 8),
        "fees": amount(trade.fees, 8),
        "funding": amount(trade.funding, 8),
        "held": duration((trade.closed_ms - trade.opened_ms) / 1000),
        "strategy": trade.strategy,
    }
    return Told(kind="trade_closed", at_ms=trade.closed_ms, fields=fields)


def _of_delayed(entry: DelayedEntry) -> Told:
    fields = {
        "delay": duration(entry.delay_ms / 1000),
        "side": entry.side,
        "symbol": entry.symbol,
        "decided_price": amount(entry.decided_price),
        "price": amount(entry.price),
        "strategy": entry.strategy,
        "order": entry.client_order_id,
    }
    return Told(kind="delayed_entry", at_ms=entry.at_ms, fields=fields)


def _of_trading(changed: TradingChanged) -> Told:
    until = "until an operator resumes"
    if changed.until_ms is not None:
        until = f"until {datetime.fromtimestamp(changed.until_ms / 1000, tz=UTC):%Y-%m-%d %H:%M} UTC"
    fields = {
        "trigger": changed.trigger.replace("_", " "),
        "whose": f" of {changed.strategy}" if changed.strategy else "",
        "detail": f" ({changed.detail})" if changed.detail else "",
        "until": until,
    }
    return Told(kind=f"trading_{changed.state}", at_ms=changed.at_ms, fields=fields)


def _of_refusal(changed: OrderChanged) -> Told:
    why = f"{changed.code}: {changed.detail}" if changed.detail else changed.code or "no reason given"
    fields = {
        "side": changed.side,
        "symbol": changed.symbol,
        "strategy": changed.strategy,
        "reason": why,
        "order": changed.client_order_id,
    }
    same = alike(changed.status, changed.strategy, changed.symbol, changed.code)
    return Told(kind=f"order_{changed.status}", at_ms=changed.at_ms, fields=fields, alike=same)
