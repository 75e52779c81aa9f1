"""The simulated market behind a local exchange of two languages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from ops.endurance import bybit
from tests.support.exchange.capture import Frame
from tests.support.exchange.server import LocalExchange
from workers.feed.simulated.exchange import SimulatedExchange
from workers.feed.simulated.market import SimulatedMarket

TURN_S: Final = 0.05
BYBIT: Final = "/v5/"
"""What the paths of Bybit begin with; all others are Binance's."""


def exchange(seed: int) -> LocalExchange:
    """Return the exchange of this seed's market, in good health."""
    simulated = SimulatedExchange(SimulatedMarket(seed), "BTCUSDT")

    async def script(path: str) -> AsyncIterator[Frame]:
        told_ms = local.clock_ms
        while True:
            await asyncio.sleep(local.faults.burst_s or TURN_S)
            until_ms = local.clock_ms
            for text in simulated.frames(told_ms, until_ms):
                yield Frame(until_ms, bybit.translated(text) if path.startswith(BYBIT) else text)
            told_ms = max(told_ms, until_ms)

    def rest(path: str, query: Mapping[str, str]) -> str | None:
        if path.startswith(BYBIT):
            return bybit.answer(simulated, path, query, local.clock_ms)
        return simulated.answer(path, query, local.clock_ms)

    local = LocalExchange(script, rest, _reply, tls=True)
    return local


def _reply(text: str) -> str:
    return bybit.reply(text) if '"op"' in text else '{"result":null,"id":1}'
