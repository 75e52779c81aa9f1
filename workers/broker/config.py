"""The broker's section of a tree file."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from workers.broker.breakers import OFF, Limits
from workers.broker.matching import Terms
from workers.broker.store import KEEP_HISTORY
from workers.shared.config import WorkerConfig, finite_above_zero
from workers.shared.exits import PersonMustLook

_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)\Z", re.ASCII)
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_MS: Final = 365 * _UNIT_MS["d"]
MOST_LEVERAGE: Final = 200


def duration_ms(name: str, value: str | float) -> int:
    """Read a duration such as "500ms", "5s", "2h", or a number of seconds. Raises ValueError naming it."""
    found = _DURATION.match(value) if isinstance(value, str) else None
    ms = float(found[1]) * _UNIT_MS[found[2]] if found else None
    if not isinstance(value, str):
        ms = value * 1000
    if ms is None or not 0 <= ms <= _LONGEST_MS:
        raise ValueError(
            f'{name} must be a duration such as "500ms", "5s", "2h", or a number of seconds, at most a year,'
            f" found {value!r}"
        )
    return round(ms)


def _fraction(name: str, value: Decimal) -> None:
    if not value.is_finite() or not 0 <= value < Decimal("0.1"):
        raise ValueError(f"{name} must be a number from 0 to under 0.1, found {value}")


class Fees(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fractions of notional, for instruments whose venue does not tell its own."""

    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.0005")

    def __post_init__(self) -> None:
        for name in ("maker", "taker"):
            _fraction(f"fees.{name}", getattr(self, name))


class Breakers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where breakers trip; 0 switches one off.

    ``daily_loss`` and ``drawdown`` are fractions of equity, ``losses`` is in a row for one strategy, which
    then pauses for ``cooldown``; ``orders`` is a minute for one strategy.
    """

    daily_loss: Decimal = Decimal("0.03")
    drawdown: Decimal = Decimal("0.1")
    losses: int = 5
    orders: int = 60
    cooldown: str | float = "1h"

    def __post_init__(self) -> None:
        for name in ("daily_loss", "drawdown"):
            value = getattr(self, name)
            if not (value.is_finite() and 0 <= value < 1):
                raise ValueError(f"breakers.{name} must be a fraction from 0 (off) to under 1, found {value}")
        for name in ("losses", "orders"):
            value = getattr(self, name)
            if not 0 <= value <= 1_000_000:
                raise ValueError(f"breakers.{name} must be a whole number from 0 (off), found {value}")
        duration_ms("breakers.cooldown", self.cooldown)

    def limits(self, *, continuous: bool) -> Limits:
        """Return what the core obeys."""
        return Limits(
            daily_loss=self.daily_loss or None,
            drawdown=self.drawdown or None,
            losses=self.losses or None,
            orders=self.orders or None,
            cooldown_ms=duration_ms("breakers.cooldown", self.cooldown),
            continuous=continuous,
        )


class BrokerConfig(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be set.

    ``cash``: what a new account begins with; it belongs to the account afterwards. ``inputs``: ids of one
    feed and of the strategies that trade on it. ``fees``, ``slippage_bps`` (basis points of the price, under
    1000): the costs. ``durability``: "process" outlives a kill, "power" a power cut too, at a price in speed
    (default: "power" in a live market, "process" on a recording).
    ``leverage`` (1 to 200): of linear contracts, with isolated margin; above 1 the venue must tell its margin
    tiers, a recording need not. ``funding_file``: rates (ts_ms,rate) beside those of the feed.
    ``entry_delay``: entries wait so long on purpose, exits never do. ``max_order_age``: older orders are
    refused, in live markets only (default: a quarter of the timeframe). ``breakers``: "default", "off", or a
    table; ``continuous``: what is not critical ends by itself, else an operator resets each. ``on_shutdown``:
    "cancel" takes back entries that wait, "close" also closes what is held. ``backend``: where orders are
    executed; "exchange" (a real account) is refused until there is one. ``keep_history`` (1,000 or more): so
    many orders, fills, changes of cash and round trips stay on record, orders at work in any case.
    """

    cash: Decimal = Decimal(10000)
    inputs: tuple[str, ...] = ("feed", "strategy")
    fees: Fees = Fees()
    slippage_bps: Decimal = Decimal(1)
    durability: Literal["power", "process"] | None = None
    leverage: Decimal = Decimal(1)
    entry_delay: str | float = 0
    max_order_age: str | float | None = None
    breakers: Literal["default", "off"] | Breakers = "default"
    on_shutdown: Literal["keep", "cancel", "close"] = "keep"
    backend: Literal["paper", "exchange"] = "paper"
    funding_file: str | None = None
    continuous: bool = True
    keep_history: Annotated[int, Meta(ge=1_000)] = KEEP_HISTORY

    def __post_init__(self) -> None:
        finite_above_zero("cash", self.cash)
        _fraction("slippage_bps / 10000", self.slippage_bps / 10000)
        if not self.leverage.is_finite() or not 1 <= self.leverage <= MOST_LEVERAGE:
            raise ValueError(f"leverage must be a number from 1 to {MOST_LEVERAGE}, found {self.leverage}")
        if len(set(self.inputs)) < 2:
            raise ValueError(f"inputs must name a feed and at least one strategy, found {list(self.inputs)}")
        duration_ms("entry_delay", self.entry_delay)
        if self.max_order_age is not None:
            duration_ms("max_order_age", self.max_order_age)

    @property
    def terms(self) -> Terms:
        """The costs of trading, and its delays."""
        age = self.max_order_age
        return Terms(
            maker=self.fees.maker,
            taker=self.fees.taker,
            slippage_bps=self.slippage_bps,
            leverage=self.leverage,
            entry_delay_ms=duration_ms("entry_delay", self.entry_delay),
            max_age_ms=None if age is None else duration_ms("max_order_age", age),
        )

    @property
    def limits(self) -> Limits:
        """Where breakers trip."""
        if self.breakers == "off":
            return OFF
        chosen = Breakers() if self.breakers == "default" else self.breakers
        return chosen.limits(continuous=self.continuous)


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


def refuse_later_features(config: BrokerConfig, child: str) -> None:
    """Raise NotYet for a real account: the backend ``exchange`` and the mode ``live``."""
    if config.backend != "paper":
        raise NotYet(f"{child}.config.backend", config.backend, "paper")
    if config.mode == "live":
        raise NotYet(f"{child}.config.mode", "live", "paper")
