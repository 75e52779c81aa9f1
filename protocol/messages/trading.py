"""The conversation of trading: what strategies ask of a broker, and what the broker answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

Side = Literal["buy", "sell"]
Action = Literal["enter_long", "enter_short", "exit", "hold"]
OrderKind = Literal["market", "limit", "stop", "stop_limit", "trailing"]
OrderStatus = Literal[
    "denied",
    "accepted",
    "rejected",
    "triggered",
    "partially_filled",
    "filled",
    "pending_cancel",
    "cancelled",
    "expired",
]
TradingState = Literal["active", "reducing", "halted"]


class Signal(Struct, frozen=True, tag="signal", kw_only=True):
    """What a strategy made of one candle, whether or not it is traded.

    ``why_not`` says in a word what kept it from being traded; ``parameters`` is the fingerprint of those
    in use.
    """

    strategy: str
    symbol: str
    timeframe: str
    row: int
    at_ms: int
    action: Action
    confidence: Decimal
    reasons: tuple[str, ...] = ()
    traded: bool = True
    why_not: str | None = None
    parameters: str | None = None


class EquityFraction(Struct, frozen=True, tag="equity_fraction"):
    """As much as this fraction of the account's equity buys at the time of admission."""

    fraction: Decimal


class Quantity(Struct, frozen=True, tag="quantity"):
    """A fixed amount of the base currency."""

    amount: Decimal


class WholePosition(Struct, frozen=True, tag="whole_position"):
    """All that is held; only with ``reduce_only``."""


Size = EquityFraction | Quantity | WholePosition


class AtPrice(Struct, frozen=True, tag="at_price"):
    """A level of a bracket: this price."""

    price: Decimal


class Away(Struct, frozen=True, tag="away"):
    """A level of a bracket: this fraction of the entry's average price away from it (0.02 is 2 %)."""

    fraction: Decimal


Level = AtPrice | Away


class Bracket(Struct, frozen=True, kw_only=True):
    """What protects an entry from its first fill on; stop and target cancel each other.

    ``trail`` makes the stop follow the best price since the entry at that distance; it is never loosened.
    """

    stop: Level | None = None
    target: Level | None = None
    trail: Level | None = None


class Order(Struct, frozen=True, tag="order", kw_only=True):
    """An order decided on the close of row ``row``.

    ``client_order_id`` is the identity: the same decision made twice is one order. Orders of one row
    are admitted in the order of (``strategy``, ``leg``). ``decided_ms`` is data time.

    ``limit`` is the price of ``limit`` and ``stop_limit`` orders, ``stop`` the trigger of ``stop`` and
    ``stop_limit`` ones, ``trail`` the distance of a ``trailing`` one (``AtPrice``: in units of the price).
    ``expires_ms`` is data time. ``decided_price`` is the price that the decision saw.
    """

    client_order_id: str
    strategy: str
    symbol: str
    row: int
    leg: int
    decided_ms: int
    side: Side
    size: Size
    reduce_only: bool = False
    kind: OrderKind = "market"
    limit: Decimal | None = None
    stop: Decimal | None = None
    trail: Level | None = None
    trigger: Literal["touch", "mark"] = "touch"
    time_in_force: Literal["gtc", "ioc"] = "gtc"
    post_only: bool = False
    expires_ms: int | None = None
    bracket: Bracket | None = None
    decided_price: Decimal | None = None
    reason: str | None = None


class Cancel(Struct, frozen=True, tag="cancel", kw_only=True):
    """Take back an order. ``client_order_id`` is the identity of the cancel, ``target`` that of the order.

    ``replacement`` takes the place of what is left of the target, in one step; its size is its own.
    """

    client_order_id: str
    strategy: str
    row: int
    leg: int
    target: str
    decided_ms: int
    replacement: Order | None = None


class Through(Struct, frozen=True, tag="through"):
    """The sender has finished everything up to and including row ``row``.

    ``end`` marks that the recording ended with that row. ``still``, of a broker: no order works and nothing
    can be liquidated, so that an account sends nothing more before somebody orders.
    """

    row: int
    end: bool = False
    still: bool = False


class ErrorBudgetSpent(Struct, frozen=True, tag="error_budget_spent", kw_only=True):
    """A run of a strategy has ended on row ``row``: it had as many errors as its error budget allows."""

    strategy: str
    errors: int
    row: int
    at_ms: int


class OrderChanged(Struct, frozen=True, tag="order_changed", kw_only=True):
    """An order took a new state. ``code`` is the typed reason of a denial, ``detail`` the sentence."""

    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    status: OrderStatus
    at_ms: int
    code: str | None = None
    detail: str | None = None


class Fill(Struct, frozen=True, tag="fill", kw_only=True):
    """A part of an order was executed. ``realised`` is the profit it closed, before the fee.

    ``position`` is the signed quantity held afterwards, ``cash`` the account's cash afterwards.
    """

    fill_id: str
    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    realised: Decimal
    position: Decimal
    at_ms: int
    row: int
    liquidity: Literal["maker", "taker"] = "taker"
    reason: str | None = None
    late: bool = False
    replayed: bool = False


class TradeClosed(Struct, frozen=True, tag="trade_closed", kw_only=True):
    """A position went flat or turned: what the round trip made, after fees and funding.

    ``reason`` is that of the closing order: ``signal``, ``stop``, ``target``, ``trailing``, ``liquidation``,
    ``kill_switch``, ``shutdown`` or ``manual``.
    """

    symbol: str
    strategy: str
    side: Literal["long", "short"]
    quantity: Decimal
    entry: Decimal
    exit: Decimal
    opened_ms: int
    closed_ms: int
    realised: Decimal
    fees: Decimal
    funding: Decimal
    reason: str


class DelayedEntry(Struct, frozen=True, tag="delayed_entry", kw_only=True):
    """An entry that waited on purpose: the price at the decision beside the one that held then."""

    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    decided_price: Decimal
    price: Decimal
    delay_ms: int
    at_ms: int


class FundingPaid(Struct, frozen=True, tag="funding_paid", kw_only=True):
    """Funding was booked; ``amount`` is what the account received (negative: paid)."""

    symbol: str
    rate: Decimal
    mark: Decimal
    quantity: Decimal
    amount: Decimal
    at_ms: int


class TradingChanged(Struct, frozen=True, tag="trading_changed", kw_only=True):
    """The trading state moved, for the account or (``strategy``) for one strategy.

    ``trigger`` is the breaker or ``operator``; ``until_ms`` is when it ends by itself (None: when reset).
    """

    state: TradingState
    trigger: str
    critical: bool
    at_ms: int
    strategy: str | None = None
    until_ms: int | None = None
    detail: str | None = None


StrategyRecord = Signal | Order | Cancel | Through | ErrorBudgetSpent
AccountRecord = OrderChanged | Fill | Through | TradeClosed | DelayedEntry | FundingPaid | TradingChanged
