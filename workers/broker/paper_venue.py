"""The paper venue: the floor (candles) and the pit (live prices) behind the port of ``venue.py``.

Its account is our books, so it answers within each call and has nothing to reconcile. In a market that sends
quotes an order and a cancel take their time (R1), and candles stand in for what the pit has missed.
"""

from __future__ import annotations

from msgspec.structs import replace

from protocol.messages.market import Candle, Funding, MarketRecord
from protocol.messages.tick import Tick
from protocol.messages.trading import Cancel
from workers.broker.floor import Floor
from workers.broker.funding import FundingSchedule
from workers.broker.latency import latency_ms
from workers.broker.marking import STALE_MS
from workers.broker.office import Office, OpenVenue
from workers.broker.orders import Happened, WorkingOrder
from workers.broker.pit import Pit


def paper(schedule: FundingSchedule | None = None) -> OpenVenue:
    """Return what opens a paper venue; ``schedule`` has rates beside those of the feed."""
    return lambda office: PaperVenue(office, schedule or FundingSchedule())


class PaperVenue:
    """A venue (see :class:`workers.broker.venue.Venue`) that fills by the prices of the market alone."""

    outside = False

    def __init__(self, office: Office, schedule: FundingSchedule) -> None:
        self._state, self._clerk, self._desk = office.state, office.clerk, office.desk
        self._now_ms: int | None = None
        self._floor = Floor(office, schedule)
        self._pit = Pit(office)

    # --- orders ---------------------------------------------------------------------------------

    def submit(self, order: WorkingOrder, *, travels: bool) -> WorkingOrder:
        """Accept an order; what was decided now reaches a live market some time later."""
        accepted = order.after(Happened.ACCEPTED)
        if not (travels and self._state.ticking):
            return accepted
        return replace(accepted, due_ms=accepted.due_ms + latency_ms(order.client_order_id))

    def replace(self, order: WorkingOrder) -> None:
        """Take the new quantity and prices at once."""
        self._clerk.keep(order)

    def cancel(self, order: WorkingOrder, code: str | None = None, asked: Cancel | None = None) -> None:
        """End an order: at once, but in a live market what somebody asked for takes its time."""
        if asked is None:
            self._clerk.cancel(order, code)
        elif self._state.ticking:
            self._ask(order, asked)
        elif asked.replacement is not None:
            self._desk.take_place(order, asked.replacement)
        else:
            self._clerk.cancel(order.after(Happened.CANCEL_ASKED))

    def _ask(self, order: WorkingOrder, asked: Cancel) -> None:
        """The order may fill until the cancel arrives; a second one changes nothing."""
        if order.cancel_ms is not None:
            return
        pending = order.after(Happened.CANCEL_ASKED)
        due = self._state.at_ms + latency_ms(asked.client_order_id)
        self._clerk.keep(replace(pending, cancel_ms=due, replacement=asked.replacement))
        self._clerk.announce(pending)

    # --- the market -----------------------------------------------------------------------------

    def row(self, message: MarketRecord) -> None:
        """Fill by a candle, or book a funding."""
        match message:
            case Candle() if self._state.ticking:
                self._stand_in(message)
            case Candle():
                self._floor.candle(message)
            case Funding():
                self._state.at_ms = max(self._state.at_ms, message.at_ms)
                self._clerk.settle(message.symbol, message.at_ms, message.rate)

    def _stand_in(self, candle: Candle) -> None:
        """A candle stands in for the ticks that were missed in its time; else it has nothing new to say."""
        state = self._state
        watched = state.watched_ms <= candle.open_ms and state.quoted_ms >= candle.close_ms - STALE_MS
        if watched and not candle.backfilled:
            state.last_candle_ms = candle.close_ms
            self._floor.fund_until(candle.symbol, candle.close_ms)
        else:
            late = self._now_ms is not None and self._now_ms - candle.close_ms > STALE_MS
            self._floor.candle(candle, resting_only=True, replayed=candle.backfilled or late)

    def tick(self, tick: Tick, now_ms: int) -> None:
        """Fill by a live price."""
        self._now_ms = now_ms
        self._pit.tick(tick, now_ms)

    def advance(self, now_ms: int) -> None:
        """Let orders expire and arrive."""
        self._now_ms = now_ms
        self._pit.advance(now_ms)

    def next_ms(self) -> int | None:
        """Return when something expires or arrives next (UTC)."""
        return self._pit.next_ms()

    def hurry(self, order: WorkingOrder, now_ms: int) -> None:
        """Fill an order from the last quote while that is fresh; else it waits on disk."""
        self._pit.take_now(order, now_ms)
