"""What the notifier says by the clock: heartbeat, health, the summary of the day. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from workers.notifier.day import Tally, largest_drawdown, sparkline
from workers.notifier.message import Told
from workers.notifier.schedule import zone_of
from workers.notifier.trades import amount
from workers.notifier.wording import duration

Equity = Sequence[tuple[int, Decimal]]
"""Time (UTC ms) and equity, the oldest first."""


def heartbeat(tally: Tally, every_ms: int, at_ms: int) -> Told:
    """Tell that the notifier lives, and what happened since the last time."""
    fields = {
        "fills": str(tally.fills),
        "trades": str(tally.trades),
        "restarts": str(tally.restarts),
        "warnings": str(tally.warnings),
        "every": duration(every_ms / 1000),
    }
    return Told(kind="heartbeat", at_ms=at_ms, fields=fields)


def health(children: Mapping[str, str], at_ms: int) -> Told:
    """Tell how each child is."""
    text = ", ".join(f"{name} {how}" for name, how in sorted(children.items())) or "no child was seen"
    return Told(kind="health", at_ms=at_ms, fields={"health": text})


def daily(
    day: Tally, equity: Equity, *, started_ms: int | None, zone: str, at_ms: int, title: str = ""
) -> Told:
    """Sum up what happened since ``day.since_ms``. Without an equity series its figures are ``unknown``."""
    values = [value for _, value in equity]
    rate = day.win_rate
    fields = {
        "title": title or f"Summary from {_local(day.since_ms, zone)} to {_local(at_ms, zone)}",
        "profit": amount(day.profit, 8),
        "trades": str(day.trades),
        "win_rate": "none" if rate is None else f"{rate:.0%}",
        "fees": amount(day.fees, 8),
        "equity": amount(values[-1], 2) if values else "unknown",
        "drawdown": f"{largest_drawdown(values):.2%}" if values else "unknown",
        "sparkline": sparkline(values),
        "restarts": str(day.restarts),
        "uptime": "unknown" if started_ms is None else duration(max(at_ms - started_ms, 0) / 1000),
    }
    return Told(kind="daily", at_ms=at_ms, fields=fields)


def rebooted(seen_ms: int, at_ms: int) -> Told:
    """Tell how long the host was away."""
    since = f"{datetime.fromtimestamp(seen_ms / 1000, tz=UTC):%Y-%m-%d %H:%M} UTC"
    fields = {"away": duration(max(at_ms - seen_ms, 0) / 1000), "since": since}
    return Told(kind="rebooted", at_ms=at_ms, fields=fields)


def _local(at_ms: int, zone: str) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, tz=zone_of(zone)):%Y-%m-%d %H:%M %Z}"
