"""The conversation of trading: what strategies ask of a broker, and what the broker answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from msgspec import Struct

Side = Literal["buy", "sell"]
Action = Literal["enter_long", "enter_short", "exit", "hold"]
OrderStatus = Literal[
    "denied", "accepted", "rejected", "triggered", "partially_filled", "filled", "cancelled", "expired"
]


class Signal(Struct, frozen=True, tag="signal", kw_only=True):
    """What a strategy made of one candle, whether or not it is traded."""

    strategy: str
    symbol: str
    timeframe: str
    row: int
    at_ms: int
    action: Action
    confidence: Decimal
    reasons: tuple[str, ...] = ()
    traded: bool = True


class EquityFraction(Struct, frozen=True, tag="equity_fraction"):
    """As much as this fraction of the account's equity buys at the time of admission."""

    fraction: Decimal


class Quantity(Struct, frozen=True, tag="quantity"):
    """A fixed amount of the base currency."""

    amount: Decimal


class WholePosition(Struct, frozen=True, tag="whole_position"):
    """All that is held; only with ``reduce_only``."""


Size = EquityFraction | Quantity | WholePosition


class Order(Struct, frozen=True, tag="order", kw_only=True):
    """A market order decided on the close of row ``row``.

    ``client_order_id`` is the identity: the same decision made twice is one order. Orders of one row
    are admitted in the order of (``strategy``, ``leg``). ``decided_ms`` is data time.
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


class Through(Struct, frozen=True, tag="through"):
    """The sender has finished everything up to and including row ``row``.

    ``end`` marks that the recording ended with that row.
    """

    row: int
    end: bool = False


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


StrategyRecord = Signal | Order | Through
AccountRecord = OrderChanged | Fill | Through
