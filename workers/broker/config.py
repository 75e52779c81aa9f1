"""The broker's section of a tree file."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from workers.broker.matching import Terms
from workers.shared.config import WorkerConfig, finite_above_zero
from workers.shared.exits import PersonMustLook


def _fraction(name: str, value: Decimal) -> None:
    if not value.is_finite() or not 0 <= value < Decimal("0.1"):
        raise ValueError(f"{name} must be a number from 0 to under 0.1, found {value}")


class Fees(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fractions of notional. In candle mode every fill pays ``taker``."""

    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.0005")

    def __post_init__(self) -> None:
        for name in ("maker", "taker"):
            _fraction(f"fees.{name}", getattr(self, name))


class BrokerConfig(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be set.

    ``cash``: what a new account begins with; it belongs to the account afterwards. ``inputs``: ids of one
    feed and of the strategies that trade on it. ``fees``, ``slippage_bps`` (basis points of the price, under
    1000): the costs. ``durability``: "process" outlives a kill, "power" a power cut too, at a price in speed.
    ``max_order_age`` counts in live markets only: on a recording no order ages.

    The rest has names and defaults already and no effect yet; another value is refused.
    """

    cash: Decimal = Decimal(10000)
    inputs: tuple[str, ...] = ("feed", "strategy")
    fees: Fees = Fees()
    slippage_bps: Decimal = Decimal(1)
    durability: Literal["power", "process"] = "process"
    leverage: Decimal = Decimal(1)
    entry_delay: str | float = 0
    max_order_age: str | float | None = None
    breakers: Literal["default", "off"] | dict[str, Any] = "default"
    on_shutdown: Literal["keep", "cancel", "close"] = "keep"
    backend: str = "paper"
    funding_file: str | None = None

    def __post_init__(self) -> None:
        finite_above_zero("cash", self.cash)
        _fraction("slippage_bps / 10000", self.slippage_bps / 10000)
        if len(set(self.inputs)) < 2:
            raise ValueError(f"inputs must name a feed and at least one strategy, found {list(self.inputs)}")

    @property
    def terms(self) -> Terms:
        """The costs of trading."""
        return Terms(taker=self.fees.taker, slippage_bps=self.slippage_bps)


class NotYet(PersonMustLook):
    """A key asks for something that this version does not do."""

    def __init__(self, key: str, found: object, allowed: object) -> None:
        super().__init__(key, found, allowed)
        self.key, self.found, self.allowed = key, found, allowed

    def __str__(self) -> str:
        return (
            f"{self.key}: found {self.found!r}; this comes in a later version, and doing without it in"
            f" silence would be wrong; leave the key out, or set {self.allowed!r}"
        )


class OtherCash(PersonMustLook):
    """The file names other cash than the account began with."""

    def __init__(self, child: str, found: Decimal, account: Decimal) -> None:
        super().__init__(child, found, account)
        self.child, self.found, self.account = child, found, account

    def __str__(self) -> str:
        return (
            f"{self.child}.config.cash: found {self.found}, but the account on disk began with"
            f" {self.account}; set that again, or begin a new account with a fresh state directory"
        )


_NO_EFFECT_YET = ("leverage", "entry_delay", "breakers", "on_shutdown", "backend", "funding_file")
_HARMLESS: dict[str, tuple[object, ...]] = {
    "breakers": ("off",),
    "entry_delay": ("0s",),
}


def refuse_later_features(config: BrokerConfig, child: str) -> None:
    """Raise NotYet for the first key that is set to something this version does not do."""
    for name in _NO_EFFECT_YET:
        found, default = getattr(config, name), getattr(BrokerConfig(), name)
        if found != default and found not in _HARMLESS.get(name, ()):
            raise NotYet(f"{child}.config.{name}", found, default)
    if config.mode == "live":
        raise NotYet(f"{child}.config.mode", "live", "paper")
