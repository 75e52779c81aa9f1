"""From a line of a trade tape to a valid row: pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from workers.feed.row import NUMBER, TIME, TRADE_HEADER, Layout, Row, in_base

SIDES: Final = frozenset({"buy", "sell"})
ORDINARY: Final = frozenset({"", "MARKET"})
"""Prints of the open market. Others (an insurance fund's, a liquidation's) move no candle, stop or fill."""

# A source that kept binary floats writes amounts such as 0.00031099999999999997. They are only reported on.
AMOUNT: Final = re.compile(r"\d{1,18}(?:\.\d{0,30})?(?:[eE][+-]?\d)?\Z", re.ASCII)


def parse_trade(text: str, layout: Layout) -> Row | str:
    """Return the trade that ``text`` holds as a row, or the kind of its fault."""
    fields = [field.strip() for field in text.split(",")]
    extra = layout.trades or ()
    if len(fields) != len(TRADE_HEADER) + len(extra):
        return "columns"
    ts_ms, price, amount, side = fields[: len(TRADE_HEADER)]
    more = dict(zip(extra, fields[len(TRADE_HEADER) :], strict=True))
    if not (TIME.match(ts_ms) and NUMBER.match(price) and AMOUNT.match(amount)):
        return "number"
    if side not in SIDES:
        return "side"
    if more.get("exec_type", "") not in ORDINARY:
        return "not_market"
    return _row(int(ts_ms), Decimal(price), Decimal(amount), more.get("trade_id", ""), layout)


def _row(ts_ms: int, price: Decimal, amount: Decimal, trade_id: str, layout: Layout) -> Row | str:
    if price <= 0:
        return "price"
    if amount <= 0:
        return "amount"
    volume = in_base(amount, price) if layout.volume == "quote" else amount
    return "volume" if volume is None else Row(ts_ms, price, price, price, price, volume, trade_id)
