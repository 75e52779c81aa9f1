"""The faults of a soak, and in which order a seed brings them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.support.exchange.faults import Faults, together

FAULTS: Final[Mapping[str, Faults]] = {
    "garbage and wrong types": Faults(garbage=True),
    "duplicates": Faults(duplicate=True),
    "out of order": Faults(out_of_order=True),
    "two candles in one frame": Faults(paired=True),
    "late close": Faults(late_close_s=3.0),
    "slow": Faults(slow_s=0.3),
    "burst": Faults(burst_s=6.0),
    "skew ahead": Faults(skew_ms=900),
    "skew behind": Faults(skew_ms=-1500),
    "silence": Faults(silence="after the acknowledgement"),
    "half-open": Faults(silence="half-open"),
    "no pong": Faults(pong=False),
    "cut": Faults(cut_after=20),
    "shutdown": Faults(shutdown_after=30),
    "refusal": Faults(refuse=True),
    "TLS": Faults(untrusted=True),
    "DNS": Faults(nameless=True),
    "no candles": Faults(candleless=True),
    # Nobody asks for candles that come by themselves.
    "REST 429": Faults(status=429, retry_after="5", candleless=True),
    "REST 418": Faults(status=418, retry_after="10", candleless=True),
    "REST 500": Faults(status=500, candleless=True),
}
SHORTEST_S: Final = 3.0
LONGEST_S: Final = 26.0
"""Long enough for the clock of data (20 s), too short for a fourth connection in a row to fail: that comes
35 s after the first at the earliest, and the wait behind it is longer than what counts as a hang.
"""
OVERDUE_S: Final = 8.0
"""How far beyond the end of a minute its candle has been asked for by REST."""
REST_S: Final = 4.0
"""The longest rest between two troubles, beyond what the feeds need to recover."""


@dataclass(frozen=True)
class Trouble:
    """Faults at once, for how long, and how long they are away afterwards at least."""

    names: tuple[str, ...]
    lasts_s: float
    rest_s: float

    @property
    def faults(self) -> Faults:
        """What the exchange does."""
        return together(FAULTS[name] for name in self.names)

    def until(self, now: float, utc_s: float) -> float:
        """Return when it ends that begins now: not before a candle that is to be missed is missed."""
        over_s = 60 - utc_s % 60 + OVERDUE_S if self.faults.candleless else 0.0
        return now + max(self.lasts_s, over_s)


def troubles(seed: int) -> Iterator[Trouble]:
    """Yield troubles without end: one or two faults at a time, all of them in each round."""
    random, waiting = Random(seed), list[str]()
    while True:
        waiting = waiting or random.sample(list(FAULTS), len(FAULTS))
        names = [waiting.pop()]
        if waiting and random.random() < 0.5 and _agree(names[0], waiting[-1]):
            names.append(waiting.pop())
        yield Trouble(tuple(names), random.uniform(SHORTEST_S, LONGEST_S), random.uniform(0, REST_S))


def _agree(one: str, other: str) -> bool:
    faults = FAULTS[one], FAULTS[other]
    # Who cannot connect misses no candle; to wait for its time would only keep the door shut too long.
    missed_by_nobody = any(it.shut for it in faults) and any(it.candleless for it in faults)
    return not missed_by_nobody and faults[0].wrong.keys().isdisjoint(faults[1].wrong)
