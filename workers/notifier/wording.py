"""From records to sentences. Pure; None where there is nothing to tell a person."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from protocol.messages.notice import SupervisionEvent
from protocol.messages.trading import AccountRecord, Fill, OrderChanged
from workers.notifier.message import Message, Priority

Facts = dict[str, Any]


def of_event(event: SupervisionEvent, at_ms: int) -> Message | None:
    """Tell what happened to the tree; ``at_ms`` is the time of its record."""
    template = _EVENTS.get(event.event)
    if template is None:
        return None
    priority, sentence = template
    text = sentence(event.child or "the tree", dict(event.facts))
    return Message(kind=event.event, at_ms=at_ms, text=text, priority=priority)


def of_account(record: AccountRecord) -> Message | None:
    """Tell of a trade, or of an order that was refused."""
    match record:
        case Fill():
            return _of_fill(record)
        case OrderChanged(status="denied" | "rejected" | "cancelled" | "expired") if record.code != "dry_run":
            return _of_refusal(record)
        case _:
            return None


def duration(seconds: object) -> str:
    """Write a number of seconds in its two largest units: ``2h 5m``, ``4.2s``."""
    if not isinstance(seconds, int | float):
        return "unknown"
    if seconds < 60:
        return f"{round(seconds, 1):g}s"
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "m"), (left, "s"))
    return " ".join([f"{count}{unit}" for count, unit in units if count][:2])


def _of_fill(fill: Fill) -> Message:
    after = fill.position
    before = after - (fill.quantity if fill.side == "buy" else -fill.quantity)
    kind, did = _change(before, after)
    direction = "long" if (after or before) > 0 else "short"
    text = f"{did} {direction} {fill.symbol}: {fill.side} {_amount(fill.quantity)} at {_amount(fill.price)}"
    if before and kind != "trade_added":
        text += f", profit {_amount(fill.realised)}"
    text += f", fee {_amount(fill.fee)}, now {_amount(after)} ({fill.strategy})"
    return Message(kind=kind, at_ms=fill.at_ms, text=text)


def _change(before: Decimal, after: Decimal) -> tuple[str, str]:
    if not before:
        return "trade_opened", "Opened"
    if not after:
        return "trade_closed", "Closed"
    if (before > 0) != (after > 0):
        return "trade_reversed", "Reversed to"
    if abs(after) > abs(before):
        return "trade_added", "Added to"
    return "trade_reduced", "Reduced"


def _of_refusal(changed: OrderChanged) -> Message:
    why = f"{changed.code}: {changed.detail}" if changed.detail else changed.code or "no reason given"
    text = f"Order {changed.status}: {changed.side} {changed.symbol} of {changed.strategy} ({why})"
    return Message(kind=f"order_{changed.status}", at_ms=changed.at_ms, text=text, priority="warning")


def _amount(value: Decimal) -> str:
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _started(_who: str, facts: Facts) -> str:
    return f"Started with {facts.get('config', 'an unnamed tree')}, version {facts.get('version', 'unknown')}"


def _restarting(who: str, facts: Facts) -> str:
    delay = facts.get("delay")
    attempt, most = facts.get("attempt", "?"), facts.get("max_restarts", "?")
    return (
        f"{who} is restarted: {facts.get('reason') or 'unknown reason'}, attempt {attempt} of {most},"
        f" {facts.get('consecutive_failures', '?')} failures in a row,"
        f" it was up {duration(facts.get('uptime'))}, next try {'in ' + duration(delay) if delay else 'now'}"
    )


def _parked(who: str, facts: Facts) -> str:
    detail = facts.get("detail") or facts.get("reason") or "it failed too often"
    return f"{who} is parked and stays down: {detail}. When it is mended: supervisor restart {who}"


def _held(who: str, facts: Facts) -> str:
    return f"{who} is held: it failed too often, and is tried every {duration(facts.get('probe'))}"


def _escalated(who: str, facts: Facts) -> str:
    return f"{who} failed too often: {facts.get('to', 'its group')} gives up"


def _warning(who: str, facts: Facts) -> str:
    rest = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "what")
    return f"{who}: {facts.get('what', 'warning')}" + (f" ({rest})" if rest else "")


_EVENTS: Final[dict[str, tuple[Priority, Callable[[str, Facts], str]]]] = {
    "root_started": ("info", _started),
    "root_stopped": ("info", lambda _who, _facts: "Stopped"),
    "stop_asked": ("info", lambda who, _facts: f"A stop of {who} was asked for"),
    "restart_asked": ("info", lambda who, _facts: f"A restart of {who} was asked for"),
    "reloaded": ("info", lambda _who, _facts: "The tree file was reloaded"),
    "restarting": ("warning", _restarting),
    "warning": ("warning", _warning),
    "parked": ("critical", _parked),
    "held": ("critical", _held),
    "escalated": ("critical", _escalated),
}
