"""The trading floor in candle mode: what a row of the market does to the orders at work and to the position.

```
funding due -> open: expiry, market orders, limits that arrive -> inside: stops by the way the price meets
them, liquidation between them -> limits -> stops of what the limits opened -> trailing stops move -> close:
mark, funding
```
Stops come before limits, so that a stop wins over a target in one candle; what is placed inside a candle is
met by the stops of that candle only. In a market that sends quotes (``ticking``) candles stand in for ticks
that were missed: then they touch only what rests.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from protocol.messages.market import Candle
from workers.broker.funding import FundingSchedule
from workers.broker.matching import Liquidity, at_least_as_good, taker_price
from workers.broker.matching_candle import (
    best_of,
    marketable,
    path_rank,
    touched,
    traded_through,
    volume_for_limits,
)
from workers.broker.office import Office
from workers.broker.orders import Happened, WorkingOrder
from workers.broker.sizing import fillable
from workers.broker.trailing import raised

RAN_OUT_MS: Final = 86_400_000
"""So long after the last time of the funding file it is said to have ended: no venue waits longer than a day.
"""


class Floor:
    """Owned by the core; changes the state and notes what follows from it."""

    def __init__(self, office: Office, schedule: FundingSchedule) -> None:
        state = self._state = office.state
        self._terms, self._instrument, self._notes = office.terms, office.instrument, office.notes
        self._clerk, self._risk, self._liquidator = office.clerk, office.risk, office.liquidator
        self._marker, self._schedule = office.marker, schedule
        self._next_funding = schedule.after(state.funding_ms)
        self._replayed = False
        self._told_end = False

    def candle(self, candle: Candle, *, resting_only: bool = False, replayed: bool = False) -> None:
        """Deal with a candle: its fills, then its close is the mark, and funding.

        ``resting_only``: market orders wait for a quote. ``replayed``: the fills are told to be so.
        """
        self._replayed = replayed
        self.fund_until(candle.symbol, candle.open_ms)
        if self._state.working or self._state.books.positions:
            self._trade(candle, resting_only=resting_only)
        self._marker.candle(candle)
        self.fund_until(candle.symbol, candle.close_ms)
        self._risk.mark()

    # --- funding --------------------------------------------------------------------------------

    def fund_until(self, symbol: str, now_ms: int) -> None:
        """Book what the funding file has up to now."""
        if self._next_funding is None or self._next_funding > now_ms:
            if self._next_funding is None and self._schedule.end_ms is not None:
                self._ran_out(symbol, now_ms)
            return
        state = self._state
        for due in self._schedule.due(state.funding_ms, now_ms):
            self._clerk.fund(symbol, due.at_ms, due.rate)
            state.funding_ms = due.at_ms
        self._next_funding = self._schedule.after(state.funding_ms)

    def _ran_out(self, symbol: str, now_ms: int) -> None:
        """Say once that the file ended before the data did: when funding is due after that nobody knows."""
        end_ms = self._schedule.end_ms or 0
        if not self._told_end and now_ms - end_ms > RAN_OUT_MS and self._state.books.quantity(symbol):
            self._told_end = True
            self._notes.log("WARNING", "funding unknown", symbol=symbol, file_ends_ms=end_ms)

    # --- one candle -----------------------------------------------------------------------------

    def _trade(self, candle: Candle, *, resting_only: bool) -> None:
        state, fills = self._state, self._state.fills
        state.marks[candle.symbol] = candle.open
        state.at_ms = candle.open_ms
        self._liquidate(candle, candle.open, candle.open)
        if state.working:
            self._work(candle, resting_only=resting_only)
        self._liquidate(candle, candle.low, candle.high)
        if state.fills != fills:
            state.books.check()

    def _work(self, candle: Candle, *, resting_only: bool) -> None:
        self._liquidator.expire(candle.open_ms)
        for order in self._here(candle):
            self._at_open(order, candle, resting_only=resting_only)
        self._stops(candle)
        self._liquidate(candle, candle.low, candle.high)
        self._limits(candle)
        self._stops(candle)
        self._trail(candle)

    def _here(self, candle: Candle) -> list[WorkingOrder]:
        """Return the orders that this candle may touch: on its symbol, and in the market when it opened."""
        working = self._state.working.values()
        return [o for o in working if o.symbol == candle.symbol and o.due_ms <= candle.open_ms]

    def _again(self, order: WorkingOrder) -> WorkingOrder | None:
        """Return an order as it is now: the fill of another may have changed or ended it."""
        return self._state.working.get(order.client_order_id)

    def _at_open(self, order: WorkingOrder, candle: Candle, *, resting_only: bool) -> None:
        here = self._again(order)
        if here is None:
            return
        if here.kind == "market" or (here.triggered and not here.is_limit):
            if not resting_only:
                self._take(here, candle.open)
        elif here.is_limit and not here.met:
            self._arrive(here, candle.open)

    def _arrive(self, order: WorkingOrder, price: Decimal) -> None:
        """Let a limit meet the market for the first time: it takes what it can, or rests."""
        assert order.limit is not None
        if order.post_only and at_least_as_good(order.side, price, order.limit):
            self._clerk.move(order, Happened.REJECTED, "would_cross", f"the price is {price}")
            return
        paid = marketable(order, price, self._terms, self._instrument.tick)
        if paid is not None:
            self._fill(order, paid)
        elif order.time_in_force == "ioc":
            self._clerk.move(order, Happened.CANCELLED, "not_marketable")
        else:
            self._clerk.keep(replace(order, met=True))

    def _stops(self, candle: Candle) -> None:
        """Trigger the stops that the candle reaches, in the order in which a falling or rising price does."""
        waiting = [order for order in self._here(candle) if order.waits_for_trigger]
        for order in sorted(waiting, key=lambda o: (o.side, path_rank(o.side, o.stop))):
            here = self._again(order)
            if here is None:
                continue
            price = touched(here, candle, from_open=here.row < self._state.handled)
            if price is not None:
                self._liquidate_before(here, candle)
                if (still := self._again(here)) is not None:
                    self._trigger(still, price)

    def _liquidate_before(self, stop: WorkingOrder, candle: Candle) -> None:
        """Liquidate first where the price meets that level before it meets the stop."""
        level = self._liquidator.reached(candle.symbol, candle.low, candle.high)
        if level is None or stop.stop is None:
            return
        if level > stop.stop if stop.side == "sell" else level < stop.stop:
            self._liquidate(candle, candle.low, candle.high)

    def _trigger(self, order: WorkingOrder, price: Decimal) -> None:
        if order.kind != "stop_limit":
            self._take(order.after(Happened.TRIGGERED), price)
            return
        moved = self._clerk.move(replace(order, row=self._state.handled), Happened.TRIGGERED)
        self._arrive(moved, price)

    def _limits(self, candle: Candle) -> None:
        volume = volume_for_limits(candle, self._instrument.step)
        for order in self._here(candle):
            here = self._again(order)
            if here is None or not here.is_limit or here.row >= self._state.handled:
                continue
            if volume > 0 and traded_through(here, candle):
                assert here.limit is not None
                got = self._fill(here, here.limit, most=volume, liquidity="maker")
                volume -= got

    def _trail(self, candle: Candle) -> None:
        for order in self._here(candle):
            if order.waits_for_trigger and order.trail is not None:
                best = best_of(order, candle, placed_inside=order.row >= self._state.handled)
                moved = raised(order, best, self._instrument.tick)
                if moved is not order:
                    self._clerk.keep(moved)

    def _liquidate(self, candle: Candle, low: Decimal, high: Decimal) -> None:
        level = self._liquidator.reached(candle.symbol, low, high)
        if level is None:
            return
        order = self._liquidator.closing(candle.symbol, "liquidation")
        if order is not None:
            long = order.side == "sell"
            self._take(order, min(level, high) if long else max(level, low))

    # --- fills ----------------------------------------------------------------------------------

    def _take(self, order: WorkingOrder, price: Decimal) -> None:
        self._fill(order, taker_price(order.side, price, self._terms, self._instrument.tick))

    def _fill(
        self,
        order: WorkingOrder,
        price: Decimal,
        *,
        most: Decimal | None = None,
        liquidity: Liquidity = "taker",
    ) -> Decimal:
        """Fill an order as far as the account carries it; what it does not is cancelled."""
        wanted = order.rest if most is None else min(order.rest, most)
        able, code = fillable(order, wanted, price, self._clerk.account(order.symbol))
        if able > 0:
            order = self._clerk.fill(order, able, price, liquidity, replayed=self._replayed)
        if able < wanted and self._again(order) is not None and order.rest > 0:
            self._clerk.move(order, Happened.CANCELLED, code)
        return able
