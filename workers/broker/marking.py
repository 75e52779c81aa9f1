"""What a broker makes of a price, whatever its venue: the mark, its age, whether the market is fit."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from protocol.messages.market import Candle, Instrument
from protocol.messages.tick import Mark, MarketState, Quote, Tick, Trade
from workers.broker.risk import MARKET, Risk
from workers.broker.state import BrokerState

STALE_MS: Final = 5_000
MOST_SKEW_MS: Final = 500


class Marker:
    """Marks the account to market. Owned by the core; ``quote`` is the last that was fresh when it came."""

    def __init__(self, state: BrokerState, instrument: Instrument, risk: Risk) -> None:
        self._state, self._instrument, self._risk = state, instrument, risk
        self._marked_ms = -STALE_MS
        self.quote: Quote | None = None
        self.late = False
        """Whether the last quote ended a hole of more than ``STALE_MS``."""

    def candle(self, candle: Candle) -> None:
        """Take a candle's close as the mark."""
        state = self._state
        state.marks[candle.symbol] = candle.close
        state.at_ms = max(state.at_ms, candle.close_ms)
        state.last_candle_ms = candle.close_ms

    def tick(self, tick: Tick, now_ms: int) -> bool:
        """Take a live price; False where it is too old to act on."""
        self._state.at_ms = max(self._state.at_ms, now_ms)
        match tick:
            case Quote():
                return self._on_quote(tick, now_ms)
            case Trade():
                return now_ms - tick.received_ms <= STALE_MS
            case Mark():
                self._on_mark(tick, now_ms)
            case MarketState():
                self._on_state(tick)
        return True

    def is_fresh(self, now_ms: int) -> bool:
        """Whether the last quote is young enough to fill by."""
        return self.quote is not None and now_ms - self.quote.received_ms <= STALE_MS

    def has_mark(self, now_ms: int) -> bool:
        """Whether the venue's own mark price is known and young."""
        return now_ms - self._marked_ms <= STALE_MS

    def _on_quote(self, quote: Quote, now_ms: int) -> bool:
        state, received_ms = self._state, quote.received_ms
        # Clocks differ, so an age may be negative; that is young.
        if max(now_ms - received_ms, received_ms - quote.at_ms) > STALE_MS:
            return False
        state.ticking = True
        self.late = received_ms - state.quoted_ms > STALE_MS
        if self.late:
            state.watched_ms = received_ms
        state.quoted_ms = received_ms
        self.quote = quote
        if not self.has_mark(received_ms):
            state.marks[quote.symbol] = self._worth(quote)
        return True

    def _worth(self, quote: Quote) -> Decimal:
        """Longs are marked at the bid, shorts at the ask, perpetuals at their mark while that is fresh."""
        held = self._state.books.quantity(quote.symbol)
        return quote.bid if held > 0 else quote.ask if held < 0 else (quote.bid + quote.ask) / 2

    def _on_mark(self, mark: Mark, now_ms: int) -> None:
        state = self._state
        self._marked_ms = mark.received_ms
        if self._instrument.contract == "linear":
            state.marks[mark.symbol] = mark.mark
        # The first mark after a funding still names the time that has passed.
        if mark.next_funding_ms is not None and mark.next_funding_ms > now_ms:
            state.funding_due_ms = mark.next_funding_ms
            state.funding_symbol = mark.symbol

    def _on_state(self, told: MarketState) -> None:
        faults = {
            "disconnected": not told.connected,
            "gap": told.gap,
            "stale": told.stale,
            "closed": not told.open,
            f"clock skew {told.skew_ms} ms": told.skew_ms is not None and abs(told.skew_ms) > MOST_SKEW_MS,
        }
        found = [name for name, so in faults.items() if so]
        if found:
            self._risk.curb(MARKET, detail=", ".join(found))
        else:
            self._risk.lift(MARKET, "the market is fit again")
