"""Which process is hit, how, and at which row: decided by the seed alone. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

T = TypeVar("T")
Means = Literal["SIGKILL", "SIGSTOP+SIGKILL", "SIGTERM", "restart"]

STRATEGY: Final = "strategy"
WORKERS: Final = ("feed", STRATEGY, "broker", "notifier")
FORKSERVER: Final = "forkserver"
ROOT: Final = "root"
WEIGHTS: Final[Mapping[str, int]] = {
    "feed": 4, STRATEGY: 5, "broker": 6, "notifier": 2, FORKSERVER: 3, ROOT: 3,
}  # fmt: skip
MEANS: Final[Mapping[Means, int]] = {"SIGKILL": 6, "SIGSTOP+SIGKILL": 2, "SIGTERM": 2, "restart": 2}
LAST_SHARE: Final = 0.97
"""No blow later than this share of the rows: the end must not come first."""


@dataclass(frozen=True)
class Blow:
    """One kill, when the broker has handled ``row``; ``pause_s`` lies between a SIGSTOP and its SIGKILL."""

    row: int
    victim: str
    means: Means
    pause_s: float


def plan(seed: int, kills: int, rows: int, strategies: tuple[str, ...] = ("strategy",)) -> tuple[Blow, ...]:
    """Return ``kills`` blows in the order of their rows; the same for the same arguments."""
    chance = random.Random(f"{seed} {kills} {rows}")
    places = sorted(chance.randint(0, int(rows * LAST_SHARE)) for _ in range(kills))
    return tuple(_blow(chance, row, strategies) for row in places)


def _blow(chance: random.Random, row: int, strategies: tuple[str, ...]) -> Blow:
    victim = _drawn(chance, WEIGHTS)
    # Only a child of the tree can be restarted by an operator.
    means = {how: weight for how, weight in MEANS.items() if how != "restart" or victim in WORKERS}
    if victim == STRATEGY:
        victim = strategies[0] if len(strategies) == 1 else chance.choice(strategies)
    return Blow(row, victim, _drawn(chance, means), round(chance.uniform(0.01, 0.2), 3))


def _drawn(chance: random.Random, weights: Mapping[T, int]) -> T:
    options: Sequence[T] = tuple(weights)
    return chance.choices(options, tuple(weights.values()))[0]
