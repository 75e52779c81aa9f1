"""Random worlds for property tests: orders of all kinds, brackets, cancels, nonsense among them.

A world is made from a seed by ``random``: hypothesis finds seeds, and making a world costs nearly nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from msgspec.structs import replace

from protocol.messages.market import Candle, End
from protocol.messages.trading import (
    AtPrice,
    Away,
    Bracket,
    Cancel,
    EquityFraction,
    Level,
    Order,
    Quantity,
    Size,
    StrategyRecord,
    Through,
    WholePosition,
)
from tests.workers.broker.bench import MINUTE, bar, order

ROWS = 12
KINDS = ("market", "market", "limit", "ioc", "stop", "stop_limit", "trailing")


@dataclass(frozen=True)
class World:
    """A market and what two strategies say."""

    market: list[Candle | End]
    said: dict[str, list[StrategyRecord]]
    contract: str


def world(seed: int) -> World:
    """Make the world of a seed."""
    chance = Random(seed)
    market: list[Candle | End] = [_bar(chance, row) for row in range(1, ROWS)]
    market.append(End(on_end="shutdown", at_ms=ROWS * MINUTE))
    said = {name: _stream(chance, name) for name in ("a", "b")}
    return World(market, said, chance.choice(["spot", "linear"]))


def _bar(chance: Random, row: int) -> Candle:
    opening, close, one, other = (chance.randint(80, 120) for _ in range(4))
    low, high = min(opening, close, one), max(opening, close, other)
    volume = chance.choice(["0", "5", "100", "10000"])
    return bar(row, str(opening), str(high), str(low), str(close), volume)


def _stream(chance: Random, name: str) -> list[StrategyRecord]:
    """Return wishes of some rows, doubled or late at times, each row finished."""
    said: list[StrategyRecord] = []
    for row in range(1, ROWS + 1):
        for leg in range(chance.randint(0, 2)):
            wish = _cancel if chance.random() < 0.2 else _order
            said.append(wish(chance, name, row, leg))
        if chance.random() < 0.5 or row == ROWS:
            said.append(Through(row))
        if said and chance.random() < 0.1:
            said.append(chance.choice(said))
    return [*said, Through(ROWS, end=True)]


def _order(chance: Random, name: str, row: int, leg: int) -> Order:
    kind = chance.choice(KINDS)
    how: dict[str, Any] = {}
    if kind == "ioc":
        kind, how = "limit", {"time_in_force": "ioc"}
    how |= _prices(chance, kind)
    if kind == "limit" and not how.get("time_in_force"):
        how["post_only"] = chance.random() < 0.3
    if chance.random() < 0.2:
        how["expires_ms"] = (row + chance.randint(0, 4)) * MINUTE
    reduce_only = chance.random() < 0.3
    if not reduce_only and chance.random() < 0.6:
        how["bracket"] = _bracket(chance)
    side: Any = chance.choice(["buy", "sell"])
    return order(row, side, _size(chance), leg=leg, strategy=name, reduce_only=reduce_only, kind=kind, **how)


def _prices(chance: Random, kind: str) -> dict[str, Any]:
    how: dict[str, Any] = {}
    if kind in ("limit", "stop_limit"):
        how["limit"] = _price(chance)
    if kind in ("stop", "stop_limit"):
        how["stop"] = _price(chance)
    if kind == "trailing":
        how["trail"] = _distance(chance)
    return how


def _cancel(chance: Random, name: str, row: int, leg: int) -> Cancel:
    """Return a cancel of some order that may be, or of one of its protectors; at times with a replacement."""
    target = (
        f"{name}-{chance.randint(1, row)}-{chance.randint(0, 1)}{chance.choice(['', '/stop', '/target'])}"
    )
    new = replace(_order(chance, f"{name}r", row, leg), strategy=name) if chance.random() < 0.5 else None
    return Cancel(
        client_order_id=f"c-{name}-{row}-{leg}",
        strategy=name,
        row=row,
        leg=leg,
        target=target,
        decided_ms=row * MINUTE,
        replacement=new,
    )


def _size(chance: Random) -> Size:
    fractions: list[Size] = [EquityFraction(Decimal("0.3")), EquityFraction(Decimal(1)), WholePosition()]
    if chance.random() < 0.5:
        return chance.choice(fractions)
    return Quantity(Decimal(chance.randint(-500, 30_000)) / 1000)


def _price(chance: Random) -> Decimal:
    return Decimal(chance.randint(80, 120))


def _level(chance: Random) -> Level:
    away: list[Level] = [Away(Decimal(part)) for part in ("0.01", "0.05", "0.2")]
    return chance.choice([AtPrice(_price(chance)), *away])


def _distance(chance: Random) -> Level:
    found: list[Level] = [AtPrice(Decimal(3)), AtPrice(Decimal(10)), Away(Decimal("0.04"))]
    return chance.choice(found)


def _bracket(chance: Random) -> Bracket:
    return Bracket(
        stop=_level(chance) if chance.random() < 0.6 else None,
        target=_level(chance) if chance.random() < 0.6 else None,
        trail=_distance(chance) if chance.random() < 0.3 else None,
    )
