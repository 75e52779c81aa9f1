"""The kinds of messages: how urgent each is, and what it says unless a user says it otherwise.

A template is a sentence with ``{field}`` in it. A user's own may use the fields of its kind and nothing else:
no attributes, no indexes, no conversions, so that a template can reveal nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from string import Formatter
from typing import Final, Literal

from msgspec import Struct

from workers.notifier.message import Message, Priority, Told

Delivery = Literal["on", "silent", "off"]
LONGEST_TEMPLATE: Final = 2000
LONGEST_FIELD: Final = 1500


class Kind(Struct, frozen=True):
    """One kind of message: ``fields`` are what its templates may name."""

    priority: Priority
    template: str
    fields: tuple[str, ...] = ()
    delivery: Delivery = "on"


_TRADE: Final = ("direction", "symbol", "side", "quantity", "price", "fee", "profit", "position", "strategy")
_NOW: Final = ", fee {fee}, now {position} ({strategy})"
_STATE: Final = ("trigger", "whose", "detail", "until")
_ORDER: Final = ("side", "symbol", "strategy", "reason", "order")
_CHILD: Final = ("child",)

KINDS: Final[Mapping[str, Kind]] = {
    # the tree
    "root_started": Kind("info", "Started with {config}, version {version}", ("config", "version")),
    "root_stopped": Kind("info", "Stopped"),
    "rebooted": Kind(
        "warning",
        "The host was started again: the system was away for {away}, since {since}",
        ("away", "since"),
    ),
    "stop_asked": Kind("info", "A stop of {child} was asked for by {by}", ("child", "by")),
    "restart_asked": Kind("info", "A restart of {child} was asked for", _CHILD),
    "stopped": Kind("info", "{child} is stopped", _CHILD, "off"),
    "ready": Kind("info", "{child} is ready", _CHILD, "off"),
    "reloaded": Kind("info", "The tree file was read again: {what}", ("what",)),
    "restarting": Kind(
        "warning",
        "{child} is restarted: {reason}, attempt {attempt} of {max_restarts}, {consecutive_failures} failures"
        " in a row, it was up {uptime}, next try {next_try}",
        ("child", "reason", "attempt", "max_restarts", "consecutive_failures", "uptime", "next_try"),
    ),
    "hung": Kind("warning", "{child} hangs: no sign of life for {silence}", ("child", "silence")),
    "warning": Kind("warning", "{child}: {what}", ("child", "what")),
    "error": Kind("warning", "{child} had an error: {what}", ("child", "what", "count")),
    "repeated": Kind(
        "warning", "{count} more since {since}, the last of them: {last}", ("count", "since", "last")
    ),
    "dropped": Kind(
        "warning",
        "{channel} has taken nothing for long: {count} messages for it were dropped, the oldest first; they"
        " are in the log",
        ("channel", "count"),
    ),
    "parked": Kind(
        "critical",
        "{child} is parked and stays down: {reason}. When it is mended: supervisor restart {child}",
        ("child", "reason"),
    ),
    "held": Kind(
        "critical",
        "{child} is held: it failed too often, and is tried every {probe}",
        ("child", "reason", "probe"),
    ),
    "escalated": Kind("critical", "{child} failed too often: {to} gives up", ("child", "to")),
    # the account
    "trade_opened": Kind(
        "info", "Opened {direction} {symbol}: {side} {quantity} at {price}" + _NOW, _TRADE
    ),
    "trade_added": Kind(
        "info", "Added to {direction} {symbol}: {side} {quantity} at {price}" + _NOW, _TRADE
    ),
    "trade_reduced": Kind(
        "info",
        "Reduced {direction} {symbol}: {side} {quantity} at {price}, profit {profit}" + _NOW,
        _TRADE,
    ),
    "trade_closed": Kind(
        "info",
        "Closed {direction} {symbol} ({reason}): {quantity} from {entry} to {exit}, profit {profit} after"
        " fees of {fees} and funding of {funding}, held {held} ({strategy})",
        (
            "direction", "symbol", "reason", "quantity", "entry", "exit", "profit", "fees", "funding", "held",
            "strategy",
        ),
    ),
    "delayed_entry": Kind(
        "info",
        "Entry recorded after {delay}: {side} {symbol}, decided at {decided_price}, now {price} ({strategy})",
        ("delay", "side", "symbol", "decided_price", "price", "strategy", "order"),
    ),
    "order_denied": Kind("warning", "Order denied: {side} {symbol} of {strategy} ({reason})", _ORDER),
    "order_rejected": Kind("warning", "Order rejected: {side} {symbol} of {strategy} ({reason})", _ORDER),
    "order_cancelled": Kind("info", "Order cancelled: {side} {symbol} of {strategy} ({reason})", _ORDER),
    "order_expired": Kind("info", "Order expired: {side} {symbol} of {strategy} ({reason})", _ORDER),
    "trading_active": Kind("info", "Trading goes on: {trigger}{whose}{detail}", _STATE),
    "trading_reducing": Kind(
        "warning",
        "No new entries: {trigger}{whose}{detail}, {until}",
        _STATE,
    ),
    "trading_halted": Kind(
        "critical", "Trading is halted: {trigger}{whose}{detail}, {until}", _STATE
    ),
    # by the clock
    "heartbeat": Kind(
        "info",
        "Alive: {fills} fills, {trades} trades closed, {restarts} restarts, {warnings} warnings in the last"
        " {every}",
        ("fills", "trades", "restarts", "warnings", "every"),
        "silent",
    ),
    "health": Kind("info", "Health: {health}", ("health",), "silent"),
    "daily": Kind(
        "info",
        "{title}\nProfit {profit}, {trades} trades closed, {win_rate} won, fees {fees}\n"
        "Equity {equity}, largest drawdown {drawdown}\n{sparkline}\n{restarts} restarts, up {uptime}",
        (
            "title", "profit", "trades", "win_rate", "fees", "equity", "drawdown", "sparkline", "restarts",
            "uptime",
        ),
    ),
}  # fmt: skip


class Words(Struct, frozen=True):
    """How a user wants to be told: kinds on, silent or off, and sentences of their own."""

    deliveries: Mapping[str, Delivery] = {}
    templates: Mapping[str, str] = {}

    def message(self, told: Told, *, prefix: str = "") -> Message | None:
        """Make the sentence; None when the kind is off."""
        kind = KINDS[told.kind]
        delivery = self.deliveries.get(told.kind, kind.delivery)
        if delivery == "off":
            return None
        fields = {name: told.fields.get(name, "unknown")[:LONGEST_FIELD] for name in kind.fields}
        text = self.templates.get(told.kind, kind.template).format_map(fields)
        return Message(
            kind=told.kind,
            at_ms=told.at_ms,
            text=prefix + "\n".join(line for line in text.splitlines() if line.strip()),
            priority=kind.priority,
            silent=delivery == "silent",
        )


def check_kinds(key: str, names: Mapping[str, object]) -> None:
    """Raise ValueError for a name that is no kind of message."""
    for name in names:
        if name not in KINDS:
            near = difflib.get_close_matches(name, KINDS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"{key}.{name}: no such kind of message; {hint}allowed: {', '.join(KINDS)}")


def check_template(name: str, template: str) -> None:
    """Raise ValueError for a sentence that cannot be made from the fields of its kind."""
    key, allowed = f"templates.{name}", KINDS[name].fields
    if not template.strip() or len(template) > LONGEST_TEMPLATE:
        raise ValueError(f"{key}: must hold 1 to {LONGEST_TEMPLATE} characters, found {len(template)}")
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{key}: {error}; write a brace that is meant as it is twice") from error
    for _, field, spec, conversion in parts:
        if field is None:
            continue
        if field not in allowed or spec or conversion:
            found = field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            words = ", ".join(f"{{{one}}}" for one in allowed) or "none"
            raise ValueError(f"{key}: unknown field {{{found}}}; allowed: {words}")
