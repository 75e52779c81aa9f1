"""From a line of a trade tape to a valid row: pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from workers.feed.row import LATEST_MS, NUMBER, TIME, TRADE_HEADER, Layout, Row, in_base, price

SIDES: Final = frozenset({"buy", "sell"})
ORDINARY: Final = frozenset({"", "MARKET"})
"""Prints of the open market. Others (an insurance fund's, a liquidation's) move no candle, stop or fill."""


def parse_trade(text: str, layout: Layout) -> Row | str:
    """Return the trade that ``text`` holds as a row, or the kind of its fault."""
    fields = [field.strip() for field in text.split(",")]
    extra = layout.trades or ()
    if len(fields) != len(TRADE_HEADER) + len(extra):
        return "columns"
    ts_ms, told_price, told_amount, side = fields[: len(TRADE_HEADER)]
    more = dict(zip(extra, fields[len(TRADE_HEADER) :], strict=True))
    if not (TIME.match(ts_ms) and NUMBER.match(told_price) and NUMBER.match(told_amount)):
        return "number"
    if side.lower() not in SIDES:
        return "side"
    if more.get("exec_type", "") not in ORDINARY:
        return "not_market"
    return _row(int(ts_ms), price(told_price), Decimal(told_amount), more.get("trade_id", ""), layout)


def _row(ts_ms: int, paid: Decimal, amount: Decimal, trade_id: str, layout: Layout) -> Row | str:
    if ts_ms > LATEST_MS:
        return "time"
    if paid <= 0:
        return "price"
    if amount <= 0:
        return "amount"
    volume = in_base(amount, paid) if layout.volume == "quote" else amount
    return "volume" if volume is None else Row(ts_ms, paid, paid, paid, paid, volume, trade_id)
