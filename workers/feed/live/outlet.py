"""What final candles and fundings look like to others: messages, and lines in the log. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocol.messages.market import Candle, Funding
from workers.feed.live.funding import Settled
from workers.feed.live.order import Slot
from workers.feed.live.settings import LiveSettings
from workers.shared.core import LogLine
from workers.shared.log import iso_ms

MOST_LINES: Final = 5
"""More candles than this in one step are told in one line."""


def candle(slot: Slot, settings: LiveSettings) -> Candle:
    """Return the message of a slot that holds a candle."""
    kline = slot.kline
    assert kline is not None  # Candles gives out slots that hold one
    return Candle(
        symbol=settings.symbol,
        timeframe=settings.timeframe,
        open_ms=slot.open_ms,
        close_ms=slot.open_ms + settings.length_ms,
        open=kline.open,
        high=kline.high,
        low=kline.low,
        close=kline.close,
        volume=kline.volume,
        backfilled=slot.backfilled,
    )


def funding(over: Settled, settings: LiveSettings) -> Funding:
    """Return the message of a funding."""
    return Funding(symbol=settings.symbol, at_ms=over.at_ms, rate=over.rate)


def funding_line(over: Settled, settings: LiveSettings) -> LogLine:
    """Return what is logged of a funding; ``source`` says whether the exchange has confirmed the rate."""
    facts = {"symbol": settings.symbol, "time": iso_ms(over.at_ms), "rate": over.rate, "source": over.source}
    return LogLine("INFO" if over.source != "estimate" else "WARNING", "funding", facts)


def lines(candles: Sequence[Candle]) -> list[LogLine]:
    """Return what is logged of candles that went out in one step."""
    many = len(candles) > MOST_LINES
    return [
        LogLine("INFO", "candle closed", {**_facts(it), **({"count": len(candles)} if many else {})})
        for it in (candles[-1:] if many else candles)
    ]


def _facts(it: Candle) -> dict[str, object]:
    return {
        "symbol": it.symbol,
        "timeframe": it.timeframe,
        "open_time": iso_ms(it.open_ms),
        "close": it.close,
        "volume": it.volume,
        "backfilled": it.backfilled,
    }
