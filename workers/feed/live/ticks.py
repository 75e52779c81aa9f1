"""From quotes, trades and mark prices to what consumers are told: valid, new, and only the newest. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from protocol.messages.tick import Mark, Quote, Tick, Trade
from workers.feed.exchanges.events import BestQuote, MarkPrice, Print
from workers.feed.live.identity import TradeIds
from workers.feed.live.validation import far_off, mark_fault, print_fault, quote_fault

MOST_HELD: Final = 10_000
"""Trades that nobody fetched (the disk is full, say): beyond this the older half is let go."""

BELIEVED_MS: Final = 120_000
"""How long prices hold a level more than half off before it is believed.

A candle that REST has confirmed says so sooner, unless it is a long one.
"""


class Ticks:
    """Judges and collects the live prices of ``symbol``; ``reference`` is the last price known."""

    def __init__(self, symbol: str, reference: Decimal | None = None) -> None:
        self._symbol = symbol
        self._ids = TradeIds()
        self.reference = reference
        self._last_quote_ms = self._last_mark_ms = 0
        self._elsewhere: tuple[Decimal, int] | None = None
        self._trades: list[Trade] = []
        self._quote: Quote | None = None
        self._mark: Mark | None = None
        self.count = 0

    def quote(self, quote: BestQuote, received_ms: int, exchange_ms: int) -> str | None:
        """Take a best bid and ask; return what is wrong with it, if anything."""
        if (fault := quote_fault(quote, exchange_ms)) is not None:
            return fault
        if not self._believable((quote.bid, quote.ask), exchange_ms):
            return "far_off"
        at_ms = exchange_ms if quote.at_ms is None else quote.at_ms
        if at_ms < self._last_quote_ms:
            return "order"
        self._last_quote_ms = at_ms
        self.reference = (quote.bid + quote.ask) / 2
        self._quote = Quote(
            symbol=self._symbol,
            bid=quote.bid,
            bid_size=quote.bid_size,
            ask=quote.ask,
            ask_size=quote.ask_size,
            at_ms=at_ms,
            received_ms=received_ms,
        )
        self.count += 1
        return None

    def trade(self, trade: Print, received_ms: int, exchange_ms: int) -> str | None:
        """Take a trade; return what is wrong with it: ``duplicate`` and ``not_market`` among others."""
        if (fault := print_fault(trade, exchange_ms)) is not None:
            return fault
        if not trade.ordinary:
            return "not_market"
        if not self._believable((trade.price,), exchange_ms):
            return "far_off"
        trade_id = trade.trade_id or self._ids.made(trade.at_ms)
        if not self._ids.fresh(trade_id, trade.at_ms):
            return "duplicate"
        self.reference = trade.price
        self._trades.append(
            Trade(
                symbol=self._symbol,
                trade_id=trade_id,
                price=trade.price,
                amount=trade.amount,
                side=trade.side,
                at_ms=trade.at_ms,
                received_ms=received_ms,
            )
        )
        if len(self._trades) > MOST_HELD:
            del self._trades[: MOST_HELD // 2]
        self.count += 1
        return None

    def mark(self, mark: MarkPrice, received_ms: int, exchange_ms: int) -> str | None:
        """Take a mark price; return what is wrong with it, if anything."""
        if (fault := mark_fault(mark, exchange_ms)) is not None:
            return fault
        if mark.at_ms < self._last_mark_ms:
            return "order"
        self._last_mark_ms = mark.at_ms
        self._mark = Mark(
            symbol=self._symbol,
            mark=mark.mark,
            at_ms=mark.at_ms,
            received_ms=received_ms,
            index=mark.index,
            rate=mark.rate,
            next_funding_ms=mark.next_funding_ms,
        )
        self.count += 1
        return None

    def take(self) -> tuple[Tick, ...]:
        """Return what has come since the last time: all trades, of the rest the newest."""
        found: list[Tick] = [*self._trades]
        found += [tick for tick in (self._mark, self._quote) if tick is not None]
        self._trades, self._mark, self._quote = [], None, None
        return tuple(found)

    def _believable(self, prices: tuple[Decimal, ...], exchange_ms: int) -> bool:
        """Whether these are near the last price, or where all have been for a while."""
        if not any(far_off(price, self.reference) for price in prices):
            self._elsewhere = None
            return True
        level, since_ms = self._elsewhere or (None, exchange_ms)
        if level is None or any(far_off(price, level) for price in prices):
            self._elsewhere = (prices[0], exchange_ms)
            return False
        return exchange_ms - since_ms >= BELIEVED_MS
