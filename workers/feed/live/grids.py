"""On which grids prices and amounts of a market lie: asked for, remembered, or the section's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from loguru import logger

from protocol.messages.market import Instrument
from workers.feed.config import FeedConfig
from workers.feed.exchanges.events import BadFrame, UnknownMarket
from workers.feed.exchanges.port import Exchange, Market
from workers.feed.live.network import Network, Unreachable
from workers.shared.config import BadConfig
from workers.shared.worker import Context

Ask = Callable[[], Coroutine[Any, Any, Instrument | None]]


def found(context: Context, config: FeedConfig, kept: Instrument | None, ask: Ask) -> Instrument:
    """Return what the exchange says by ``ask``; else what it said before, ``kept``; else the section's own.

    The last has ``filters_known`` False. Raises BadConfig for a market that the exchange has never listed.
    """
    # After a crash nobody waits for the exchange: grids change with the months, not with the minutes.
    if kept is not None and context.launch.incarnation > 1:
        return kept
    try:
        return asyncio.run(ask()) or kept or _own(config)
    except UnknownMarket as error:
        # What has been traded before is not parked for ever by one wrong answer.
        if kept is None:
            raise _unlisted(context, config, error) from error
        logger.bind(symbol=config.symbol, why=str(error)).warning("market no longer listed")
        return kept


async def asked(exchange: Exchange, market: Market, network: Network, rest_base: str) -> Instrument | None:
    """Return what the exchange says now; None, and a line in the log, where it says nothing of use.

    Raises UnknownMarket.
    """
    request = exchange.instrument(market)
    try:
        response = await network.get(request.url(rest_base))
        if response.status == 200:
            return _lawful(exchange.parse_instrument(market, response.body))
        why = f"status {response.status}"
    except UnknownMarket:
        raise
    except (Unreachable, BadFrame) as error:
        why = str(error)
    logger.bind(path=request.path, why=why).warning("instrument not known from the exchange")
    return None


def _lawful(told: Instrument) -> Instrument:
    """Return it if prices and amounts can lie on its grids. Raises BadFrame."""
    sizes, least = (told.tick, told.step, told.contract_size), (told.min_quantity, told.min_notional)
    if min(sizes) <= 0 or min(least) < 0:
        raise BadFrame("number", f"tick {told.tick}, step {told.step}")
    return told


def _own(config: FeedConfig) -> Instrument:
    own = config.instrument.as_message()
    return Instrument(
        tick=own.tick,
        step=own.step,
        min_notional=own.min_notional,
        contract=own.contract,
        filters_known=False,
    )


def _unlisted(context: Context, config: FeedConfig, error: UnknownMarket) -> BadConfig:
    problem = f"{config.exchange} has no such market: {error.found}"
    return BadConfig(key=f"{context.launch.child}.config.symbol", found=config.symbol, problem=problem)
