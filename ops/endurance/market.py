"""The simulated market behind a local exchange, and the faults that a seed chooses for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from random import Random
from typing import Final

from tests.support.exchange.capture import Frame
from tests.support.exchange.faults import Faults
from tests.support.exchange.server import LocalExchange
from workers.feed.simulated.exchange import SimulatedExchange
from workers.feed.simulated.market import SimulatedMarket

TURN_S: Final = 0.05
FAULTS: Final[Mapping[str, Faults]] = {
    "nothing": Faults(),
    "garbage": Faults(garbage=True),
    "duplicates": Faults(duplicate=True),
    "silence": Faults(silence="after the acknowledgement"),
    "half-open": Faults(silence="half-open"),
    "no pong": Faults(pong=False),
    "slow": Faults(slow_s=0.3),
    "cut": Faults(cut_after=20),
    "late close": Faults(late_close_s=3.0),
    "REST 429": Faults(status=429, retry_after="5"),
    "REST 418": Faults(status=418, retry_after="10"),
    "REST 500": Faults(status=500),
    "refusal": Faults(refuse=True),
    "shutdown": Faults(shutdown_after=30),
    "out of order": Faults(out_of_order=True),
    "burst": Faults(burst_s=6.0),
    "skew ahead": Faults(skew_ms=900),
    "skew behind": Faults(skew_ms=-1500),
}


def exchange(seed: int) -> LocalExchange:
    """Return the exchange of this seed's market, in good health."""
    simulated = SimulatedExchange(SimulatedMarket(seed), "BTCUSDT")

    async def script(_path: str) -> AsyncIterator[Frame]:
        told_ms = local.clock_ms
        while True:
            await asyncio.sleep(local.faults.burst_s or TURN_S)
            until_ms = local.clock_ms
            for text in simulated.frames(told_ms, until_ms):
                yield Frame(until_ms, text)
            told_ms = max(told_ms, until_ms)

    def rest(path: str, query: Mapping[str, str]) -> str | None:
        return simulated.answer(path, query, local.clock_ms)

    local = LocalExchange(script, rest, lambda _text: '{"result":null,"id":1}')
    return local


def plan(seed: int, seconds: float) -> list[tuple[float, str]]:
    """Return when which fault begins; each lasts until the next, every other one is good health.

    Faults come in rounds, each round all of them in an order of its own: none is left out by chance.
    """
    random, found, at, round_ = Random(seed), list[tuple[float, str]](), 5.0, list[str]()
    names = [name for name in FAULTS if name != "nothing"]
    while at < seconds - 15:
        round_ = round_ or random.sample(names, len(names))
        found.append((at, round_.pop()))
        at += random.uniform(3, 25)
        found.append((at, "nothing"))
        at += random.uniform(2, 10)
    return found
