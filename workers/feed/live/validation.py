"""What no market can have said. Pure: each function returns the kind of the fault, or None.

Age may be negative: the recorder's clock may be behind the exchange's.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from workers.feed.exchanges.events import BestQuote, Kline, MarkPrice, Print

FAR_OFF: Final = Decimal("0.5")
OLDEST_MS: Final = 60_000
"""A tick older than this says nothing about now."""
NEWEST_MS: Final = 60_000
"""A time further ahead than this is a mistake, not a clock."""
FURTHEST_FUNDING_MS: Final = 24 * 3_600_000
"""No funding is told of earlier: what is named beyond this would keep all others from being believed."""


def kline_fault(kline: Kline, length_ms: int, exchange_ms: int) -> str | None:
    """Judge a candle, of whatever age."""
    if kline.low <= 0:
        return "price"
    if kline.low > min(kline.open, kline.close) or kline.high < max(kline.open, kline.close):
        return "range"
    if kline.volume < 0:
        return "volume"
    if kline.open_ms % length_ms:
        return "off_grid"
    return "age" if kline.open_ms > exchange_ms + NEWEST_MS else None


def quote_fault(quote: BestQuote, exchange_ms: int) -> str | None:
    """Judge a best bid and ask."""
    if quote.bid <= 0 or quote.ask <= 0:
        return "price"
    if quote.bid_size < 0 or quote.ask_size < 0:
        return "amount"
    if quote.bid >= quote.ask:
        return "crossed"
    return None if quote.at_ms is None else _age_fault(quote.at_ms, exchange_ms)


def print_fault(trade: Print, exchange_ms: int) -> str | None:
    """Judge a trade."""
    if trade.price <= 0:
        return "price"
    return "amount" if trade.amount <= 0 else _age_fault(trade.at_ms, exchange_ms)


def mark_fault(mark: MarkPrice, exchange_ms: int) -> str | None:
    """Judge a mark price."""
    if mark.mark <= 0 or (mark.index is not None and mark.index < 0):
        return "price"
    if mark.rate is not None and abs(mark.rate) >= 1:
        return "rate"
    if mark.next_funding_ms is not None and mark.next_funding_ms > mark.at_ms + FURTHEST_FUNDING_MS:
        return "funding_time"
    return _age_fault(mark.at_ms, exchange_ms)


def far_off(price: Decimal, last: Decimal | None) -> bool:
    """Whether a price is more than half away from the last one."""
    return last is not None and abs(price - last) > last * FAR_OFF


def _age_fault(at_ms: int, exchange_ms: int) -> str | None:
    return None if -NEWEST_MS <= exchange_ms - at_ms <= OLDEST_MS else "age"
