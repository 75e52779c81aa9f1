"""From what a strategy wants to signals, orders and cancels, as mode and settings allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from protocol.messages.trading import Order, Signal
from workers.shared.config import Mode
from workers.shared.core import LogLine
from workers.shared.log import iso_ms
from workers.strategy.api import Intent, Withdraw
from workers.strategy.book import Book
from workers.strategy.moment import Moment
from workers.strategy.orders import DIRECTION, Decision, allowed, cancels_for, orders_for
from workers.strategy.produced import Produced
from workers.strategy.state import Tally
from workers.strategy.tables import stored, swept
from workers.strategy.watch import Watch
from workers.strategy.wishes import Wish

DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class Settings:
    """What of the configuration the core obeys. ``verbose``: a line also for each evaluation that holds.

    ``parameters`` is the fingerprint of those in use; ``evaluated_as`` are facts for each line of an
    evaluation (the champion's). ``interval_ms`` 0: no periodic mode. ``error_budget`` 0: none.
    ``discard_snapshot``: begin without what the strategy knew.
    """

    child: str
    mode: Mode = "dry-run"
    auto_execute: bool = True
    min_confidence: Decimal = Decimal(0)
    max_consecutive_errors: int = 10
    error_budget: int = 20
    interval_ms: int = 0
    keep_signals_ms: int = 365 * DAY_MS
    parameters: str | None = None
    evaluated_as: tuple[tuple[str, object], ...] = ()
    default_size: Decimal = Decimal("0.05")
    discard_snapshot: bool = False
    verbose: bool = False


class Desk:
    """Turns wishes into what goes out. ``watches`` are the markets by symbol; ``account``: the broker's
    id."""

    def __init__(self, settings: Settings, book: Book, tally: Tally) -> None:
        self._settings, self._book, self._tally = settings, book, tally
        self.watches: dict[str, Watch] = {}
        self.account: str | None = None

    @property
    def follows(self) -> bool:
        """Whether positions are those that the broker tells; in a dry run it has none to tell."""
        return self.account is not None and self._settings.mode != "dry-run"

    def objection(self, wishes: Sequence[Wish]) -> str | None:
        """Say what a wish needs and has not; None when all can be dealt with."""
        for wish in wishes:
            symbol = wish.symbol
            if symbol is not None and (symbol not in self.watches or not self.watches[symbol].newest):
                followed = ", ".join(self.watches)
                return f"{symbol!r} is not followed, or has no candle yet; followed: {followed}"
            if self.account is None and (isinstance(wish, Withdraw) or _outlives(wish)):
                return (
                    "limit, stop, target, trail and Withdraw need the broker in inputs, for orders may end"
                    " and positions close without the strategy"
                )
        return None

    def decide(self, wishes: Sequence[Wish], moment: Moment, made: Produced) -> None:
        """Deal with all wishes of one moment, in order."""
        for nth, wish in enumerate(wishes):
            decision = self._decision(wish, moment)
            if isinstance(wish, Withdraw):
                self._withdraw(wish, decision, nth, made)
            else:
                instrument = self.watches[decision.symbol].role.instrument
                self._intent(allowed(wish, instrument), decision, nth, made, late=moment.late)

    def _decision(self, wish: Wish, moment: Moment) -> Decision:
        watch = moment.watch if wish.symbol is None else self.watches[wish.symbol]
        newest = watch.newest
        price = moment.price if watch is moment.watch else None
        return Decision(
            strategy=self._settings.child,
            row=moment.row,
            symbol=watch.role.symbol,
            timeframe=watch.role.timeframe,
            moment=moment.name,
            at_ms=moment.at_ms,
            price=price or (newest.close if newest is not None else Decimal(0)),
            default_size=self._settings.default_size,
            market=moment.watch.number,
        )

    def _intent(self, intent: Intent, decision: Decision, nth: int, made: Produced, *, late: bool) -> None:
        why_not, orders = self._weighed(intent, decision, nth, late=late)
        self._signal(intent, decision, why_not, made)
        if _turns(intent, orders):
            self._book.means(decision.symbol, "flat" if late else DIRECTION[intent.action])
        made.logs.extend(_order_line(order, dry_run=why_not is not None) for order in orders)
        if why_not is None:
            self._submit(orders, made)

    def _weighed(
        self, intent: Intent, decision: Decision, nth: int, *, late: bool
    ) -> tuple[str | None, tuple[Order, ...]]:
        """Return why nothing goes out (None: it does), and the orders that there are or would be."""
        settings = self._settings
        if not settings.auto_execute:
            return "auto_execute", ()
        if intent.confidence < settings.min_confidence:
            return "min_confidence", ()
        stance = self._book.stance(decision.symbol, follows=self.follows)
        orders = orders_for(intent, stance, decision, nth)
        if not orders:
            return "no_change", ()
        if late:
            orders = tuple(order for order in orders if order.reduce_only)
        if not orders:
            return "late", ()
        return ("dry_run" if settings.mode == "dry-run" else None), orders

    def _submit(self, orders: Sequence[Order], made: Produced) -> None:
        made.outputs.extend(orders)
        self._tally.orders += len(orders)
        if self.follows:
            for order in orders:
                self._book.sent(order)

    def _withdraw(self, wish: Withdraw, decision: Decision, nth: int, made: Produced) -> None:
        targets = (wish.order,) if wish.order is not None else self._book.at_rest(decision.symbol)
        cancels = cancels_for(targets, decision, nth)
        self._book.withdrawn(cancels)
        if self._settings.mode != "dry-run":
            made.outputs.extend(cancels)
        for cancel in cancels:
            facts = {"symbol": decision.symbol, "target": cancel.target, "decided": iso_ms(decision.at_ms)}
            made.logs.append(LogLine("INFO", "order withdrawn", facts))

    def _signal(self, intent: Intent, decision: Decision, why_not: str | None, made: Produced) -> None:
        settings, tally = self._settings, self._tally
        signal = Signal(
            strategy=settings.child,
            symbol=decision.symbol,
            timeframe=decision.timeframe,
            row=decision.row,
            at_ms=decision.at_ms,
            action=intent.action,
            confidence=intent.confidence,
            reasons=intent.reasons,
            traded=why_not is None,
            why_not=why_not,
            parameters=settings.parameters,
        )
        made.outputs.append(signal)
        made.writes.append(stored(signal))
        made.logs.append(_evaluation_line(signal, settings.evaluated_as))
        made.signals += 1
        tally.signals += 1
        made.writes.extend(swept(tally.signals, signal.at_ms, settings.keep_signals_ms))


def _turns(intent: Intent, orders: Sequence[Order]) -> bool:
    """Whether the orders lead to the direction named: not those at rest, nor an exit of a part."""
    partial = intent.action == "exit" and intent.size is not None
    return bool(orders) and intent.limit is None and not partial


def _outlives(wish: Intent) -> bool:
    return any(part is not None for part in (wish.limit, wish.stop, wish.target, wish.trail))


def _evaluation_line(signal: Signal, more: tuple[tuple[str, object], ...]) -> LogLine:
    facts: dict[str, object] = {
        "symbol": signal.symbol,
        "row": signal.row,
        "at": iso_ms(signal.at_ms),
        "action": signal.action,
        "confidence": signal.confidence,
        "reasons": signal.reasons,
        "traded": signal.traded,
    }
    if signal.why_not is not None:
        facts["why_not"] = signal.why_not
    return LogLine("INFO", "evaluation", {**facts, **dict(more)})


def _order_line(order: Order, *, dry_run: bool) -> LogLine:
    facts = {
        "symbol": order.symbol,
        "client_order_id": order.client_order_id,
        "side": order.side,
        "leg": order.leg,
        "reduce_only": order.reduce_only,
        "row": order.row,
        "decided": iso_ms(order.decided_ms),
        "dry_run": dry_run,
    }
    return LogLine("INFO", "order submitted", facts)
