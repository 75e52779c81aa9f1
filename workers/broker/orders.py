"""The life of an order, as a table.

DENIED is our own refusal, REJECTED the venue's. A timeout is neither: nothing here follows from silence.
A final state has no way out. The paper backend skips nothing: what it accepts was submitted before.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from protocol.messages.trading import Bracket, Level, Order, OrderKind, Side
from workers.broker.errors import BrokerError
from workers.broker.money import ZERO, exactly


class OrderState(Enum):
    """Where an order stands."""

    INITIALIZED = "initialized"
    DENIED = "denied"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TRIGGERED = "triggered"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Happened(Enum):
    """What an order can be told."""

    DENIED = "denied"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TRIGGERED = "triggered"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCEL_ASKED = "cancel_asked"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


FINAL_STATES = frozenset(
    {OrderState.DENIED, OrderState.REJECTED, OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED}
)

STOPS: Final = frozenset({"stop", "stop_limit", "trailing"})

_S, _H = OrderState, Happened

# Absent pairs are illegal: meeting one is a defect of the caller, never of the market.
NEXT: Mapping[tuple[OrderState, Happened], OrderState] = {
    (_S.INITIALIZED, _H.DENIED): _S.DENIED,
    (_S.INITIALIZED, _H.SUBMITTED): _S.SUBMITTED,
    (_S.SUBMITTED, _H.ACCEPTED): _S.ACCEPTED,
    (_S.SUBMITTED, _H.REJECTED): _S.REJECTED,
    (_S.SUBMITTED, _H.PARTLY_FILLED): _S.PARTIALLY_FILLED,  # a venue may fill before it acknowledges
    (_S.SUBMITTED, _H.FILLED): _S.FILLED,
    (_S.SUBMITTED, _H.CANCEL_ASKED): _S.PENDING_CANCEL,
    (_S.SUBMITTED, _H.CANCELLED): _S.CANCELLED,
    (_S.SUBMITTED, _H.EXPIRED): _S.EXPIRED,
    (_S.ACCEPTED, _H.REJECTED): _S.REJECTED,  # accepted by a gateway, refused by the matching engine
    (_S.ACCEPTED, _H.TRIGGERED): _S.TRIGGERED,
    (_S.ACCEPTED, _H.PARTLY_FILLED): _S.PARTIALLY_FILLED,
    (_S.ACCEPTED, _H.FILLED): _S.FILLED,
    (_S.ACCEPTED, _H.CANCEL_ASKED): _S.PENDING_CANCEL,
    (_S.ACCEPTED, _H.CANCELLED): _S.CANCELLED,
    (_S.ACCEPTED, _H.EXPIRED): _S.EXPIRED,
    (_S.TRIGGERED, _H.REJECTED): _S.REJECTED,
    (_S.TRIGGERED, _H.PARTLY_FILLED): _S.PARTIALLY_FILLED,
    (_S.TRIGGERED, _H.FILLED): _S.FILLED,
    (_S.TRIGGERED, _H.CANCEL_ASKED): _S.PENDING_CANCEL,
    (_S.TRIGGERED, _H.CANCELLED): _S.CANCELLED,
    (_S.TRIGGERED, _H.EXPIRED): _S.EXPIRED,
    (_S.PARTIALLY_FILLED, _H.PARTLY_FILLED): _S.PARTIALLY_FILLED,
    (_S.PARTIALLY_FILLED, _H.FILLED): _S.FILLED,
    (_S.PARTIALLY_FILLED, _H.CANCEL_ASKED): _S.PENDING_CANCEL,
    (_S.PARTIALLY_FILLED, _H.CANCELLED): _S.CANCELLED,
    (_S.PARTIALLY_FILLED, _H.EXPIRED): _S.EXPIRED,
    (_S.PENDING_CANCEL, _H.ACCEPTED): _S.ACCEPTED,  # the venue refused the cancel
    (_S.PENDING_CANCEL, _H.TRIGGERED): _S.PENDING_CANCEL,
    (_S.PENDING_CANCEL, _H.PARTLY_FILLED): _S.PENDING_CANCEL,  # filled while the cancel was on its way
    (_S.PENDING_CANCEL, _H.FILLED): _S.FILLED,
    (_S.PENDING_CANCEL, _H.CANCELLED): _S.CANCELLED,
    (_S.PENDING_CANCEL, _H.EXPIRED): _S.EXPIRED,
}


class IllegalTransition(BrokerError):
    """An order was told something that cannot follow its state; nothing was changed."""

    def __init__(self, client_order_id: str, state: OrderState, happened: Happened) -> None:
        super().__init__(client_order_id, state, happened)
        self.client_order_id, self.state, self.happened = client_order_id, state, happened

    def __str__(self) -> str:
        return f"order {self.client_order_id!r} is {self.state.value}: it cannot be {self.happened.value}"


class WorkingOrder(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order that the broker has taken on; prices lie on the tick.

    ``estimate`` is the price that funds were reserved at; ``filled`` grows up to ``quantity`` in so many
    ``fills``, worth ``spent`` together. ``stop`` of a trailing order moves with ``best``, the best price
    since it was placed. ``parent`` is the entry that it protects: the protectors of one entry cancel each
    other. ``row`` is the last row handled when it was taken on or triggered: nothing up to it may fill it.
    ``triggered``: its stop was touched. ``due_ms`` is when it reaches the market, ``cancel_ms`` when a cancel
    does, after which ``replacement`` takes its place. ``met``: the market has seen it, so that a limit which
    was marketable on arrival is no longer. ``ahead`` is the volume queued before it.
    """

    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    quantity: Decimal
    estimate: Decimal
    reduce_only: bool = False
    state: OrderState = OrderState.INITIALIZED
    filled: Decimal = ZERO
    fills: int = 0
    spent: Decimal = ZERO
    kind: OrderKind = "market"
    limit: Decimal | None = None
    stop: Decimal | None = None
    trail: Level | None = None
    best: Decimal | None = None
    trigger: Literal["touch", "mark"] = "touch"
    time_in_force: Literal["gtc", "ioc"] = "gtc"
    post_only: bool = False
    expires_ms: int | None = None
    bracket: Bracket | None = None
    parent: str | None = None
    reason: str = "signal"
    row: int = 0
    accepted_ms: int = 0
    due_ms: int = 0
    cancel_ms: int | None = None
    met: bool = False
    triggered: bool = False
    ahead: Decimal | None = None
    decided_price: Decimal | None = None
    replacement: Order | None = None

    @staticmethod
    def of(order: Order, quantity: Decimal = ZERO, estimate: Decimal = ZERO) -> WorkingOrder:
        """Return what a strategy's order becomes here, in its first state."""
        return WorkingOrder(
            client_order_id=order.client_order_id,
            strategy=order.strategy,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            estimate=estimate,
            reduce_only=order.reduce_only,
            kind=order.kind,
            limit=order.limit,
            stop=order.stop,
            trail=order.trail,
            trigger=order.trigger,
            time_in_force=order.time_in_force,
            post_only=order.post_only,
            expires_ms=order.expires_ms,
            bracket=order.bracket,
            reason=order.reason or "signal",
            decided_price=order.decided_price,
        )

    @property
    def rest(self) -> Decimal:
        """What is still to be done."""
        return self.quantity - self.filled

    @property
    def signed(self) -> Decimal:
        """What is still to be done, signed: positive to buy."""
        return self.rest if self.side == "buy" else -self.rest

    @property
    def resting(self) -> bool:
        """Whether it waits for a price; a market order waits for none."""
        return self.kind != "market"

    @property
    def waits_for_trigger(self) -> bool:
        """Whether it is a stop of some kind that was not triggered yet."""
        return self.kind in STOPS and not self.triggered

    @property
    def is_limit(self) -> bool:
        """Whether it stands in the book at its limit: a limit, or a stop-limit that was triggered."""
        return self.kind == "limit" or (self.kind == "stop_limit" and self.triggered)

    def after(self, happened: Happened) -> WorkingOrder:
        """Return the order in its next state.

        Raises:
            IllegalTransition: this cannot follow the present state.
        """
        state = NEXT.get((self.state, happened))
        if state is None:
            raise IllegalTransition(self.client_order_id, self.state, happened)
        return replace(self, state=state, triggered=self.triggered or happened is _H.TRIGGERED)

    @exactly
    def after_fill(self, quantity: Decimal, price: Decimal = ZERO) -> WorkingOrder:
        """Return the order with ``quantity`` more filled at ``price``; in whole when nothing is left.

        Raises:
            IllegalTransition: the order cannot fill now.
        """
        filled = self.filled + quantity
        moved = self.after(_H.FILLED if filled >= self.quantity else _H.PARTLY_FILLED)
        return replace(moved, filled=filled, fills=self.fills + 1, spent=self.spent + quantity * price)
