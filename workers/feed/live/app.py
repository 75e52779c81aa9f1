"""Puts a live feed together: configuration, exchange, state, core, and the network beside it."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

import msgspec
from loguru import logger

from protocol.codec import MARKET
from protocol.messages.market import Instrument
from protocol.messages.stream import MarketRole
from workers.feed.config import TIMEFRAME_MS, FeedConfig
from workers.feed.exchanges.bitunix import Bitunix
from workers.feed.exchanges.events import BadFrame, UnknownMarket
from workers.feed.exchanges.port import Exchange, Market
from workers.feed.exchanges.symbols import pair
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live.core import LiveCore
from workers.feed.live.hours import Calendar
from workers.feed.live.internet import Internet
from workers.feed.live.kept import kept_calendar
from workers.feed.live.network import Network, Unreachable
from workers.feed.live.service import LiveService
from workers.feed.live.sessions import Sessions
from workers.feed.live.settings import LiveSettings
from workers.feed.live.state import restored
from workers.feed.through_ccxt.exchange import PREFIX
from workers.shared.config import BadConfig
from workers.shared.worker import Context, Worker

BASE: Final = "1m"
"""What longer timeframes are made of where an exchange does not send them."""


def build_exchange(context: Context, config: FeedConfig) -> Worker:
    """Return the feed of a real exchange."""
    if config.exchange.startswith(PREFIX):
        # Late: the library is large, and an extra.
        from workers.feed.through_ccxt.app import build

        through, library = build(config, context.launch.child)
        # Its addresses are the library's, which has been told of ours.
        plain = msgspec.structs.replace(config, ws_url="", rest_url="")
        return assemble(context, plain, through, library)
    exchange = Bitunix(older=True) if config.form == "older" else EXCHANGES[config.exchange]
    return assemble(context, config, exchange, Internet())


def build_simulated(context: Context, config: FeedConfig) -> Worker:
    """Return the feed of a market that does not exist."""
    # Late: the others need none of it.
    from workers.feed.simulated.exchange import SimulatedExchange
    from workers.feed.simulated.market import SimulatedMarket
    from workers.feed.simulated.network import SimulatedNetwork

    exchange = EXCHANGES["binance"]
    simulated = SimulatedExchange(SimulatedMarket(config.seed), pair(config.symbol).joined())
    plain = msgspec.structs.replace(config, market="spot", ws_url="", rest_url="")
    return assemble(
        context, plain, exchange, SimulatedNetwork(simulated, wall_ms), name=f"simulated {config.seed}"
    )


def assemble(
    context: Context, config: FeedConfig, exchange: Exchange, network: Network, name: str = ""
) -> Worker:
    """Return the feed of ``exchange``, called ``name``, as it is reached through ``network``."""
    market = market_of(exchange, config)
    rest_base = config.rest_url or exchange.rest_base(market.kind)
    journal = context.open_journal(durability="power")
    state = restored(
        journal.state(), f"{name or exchange.name} {market.kind} {config.symbol} {config.timeframe}"
    )
    # After a crash nobody waits for the exchange: grids change with the months, not with the minutes.
    known = state.instrument if context.launch.incarnation > 1 else None
    try:
        asked = known or asyncio.run(_instrument(exchange, market, network, rest_base))
    except UnknownMarket as error:
        # What has been traded before is not parked for ever by one wrong answer.
        if state.instrument is None:
            journal.close()
            raise _unlisted(context, config, error) from error
        logger.bind(symbol=config.symbol, why=str(error)).warning("market no longer listed")
        asked = None
    instrument = asked or state.instrument or _unknown(config)
    market = replace(market, contract_size=instrument.contract_size)
    core = LiveCore(exchange, settings_of(config, market), state, random.Random().random)
    if asked is not None:
        core.learned(asked)
    facts = {"exchange": name or exchange.name, "market": market.kind, "symbol": config.symbol}
    logger.bind(**facts, tick=instrument.tick, step=instrument.step).info("market opened")
    return Worker(
        core=core,
        journal=journal,
        role=MarketRole(
            symbol=config.symbol,
            timeframe=config.timeframe,
            # Whatever the exchange counts in, all that goes out is in the base currency.
            instrument=msgspec.structs.replace(instrument, contract_size=Decimal(1)),
            lockstep=False,
        ),
        encode=MARKET.encode,
        timed=core,
        condition=core.condition,
        services=(LiveService(core, network, rest_base, wall_ms),),
    )


def market_of(exchange: Exchange, config: FeedConfig) -> Market:
    """Return what is asked of the exchange; longer candles than it has are made of minutes."""
    timeframe = config.timeframe if config.timeframe in exchange.timeframes else BASE
    kind = config.market or exchange.kinds[0]
    return Market(pair(config.symbol), kind, timeframe, TIMEFRAME_MS[timeframe])


def settings_of(config: FeedConfig, market: Market) -> LiveSettings:
    """Return what the core needs of the configuration."""
    return LiveSettings(
        symbol=config.symbol,
        market=market,
        timeframe=config.timeframe,
        length_ms=config.timeframe_ms,
        base_url=config.ws_url,
        stale_after_s=config.stale_after_s,
        poll_s=config.poll_s,
        from_trades=config.candles == "trades",
        history=config.history,
        hours=_hours(config),
    )


def _hours(config: FeedConfig) -> Calendar | None:
    if config.calendar:
        return Sessions(config.calendar, kept_calendar(config.calendar), wall_ms())
    return None if config.hours is None else config.hours.as_hours()


def wall_ms() -> int:
    """Return UTC milliseconds."""
    return time.time_ns() // 1_000_000


def _unlisted(context: Context, config: FeedConfig, error: UnknownMarket) -> BadConfig:
    problem = f"{config.exchange} has no such market: {error.found}"
    return BadConfig(key=f"{context.launch.child}.config.symbol", found=config.symbol, problem=problem)


async def _instrument(
    exchange: Exchange, market: Market, network: Network, rest_base: str
) -> Instrument | None:
    request = exchange.instrument(market)
    query = f"?{urlencode(request.query)}" if request.query else ""
    try:
        response = await network.get(f"{rest_base.rstrip('/')}{request.path}{query}")
        if response.status == 200:
            return _lawful(exchange.parse_instrument(market, response.body))
        why = f"status {response.status}"
    except UnknownMarket:
        raise
    except (Unreachable, BadFrame) as error:
        why = str(error)
    logger.bind(path=request.path, why=why).warning("instrument not known from the exchange")
    return None


def _lawful(found: Instrument) -> Instrument:
    """Return it if prices and amounts can lie on its grids. Raises BadFrame."""
    if (
        min(found.tick, found.step, found.contract_size) <= 0
        or min(found.min_quantity, found.min_notional) < 0
    ):
        raise BadFrame("number", f"tick {found.tick}, step {found.step}")
    return found


def _unknown(config: FeedConfig) -> Instrument:
    known = config.instrument.as_message()
    return Instrument(
        tick=known.tick,
        step=known.step,
        min_notional=known.min_notional,
        contract=known.contract,
        filters_known=False,
    )
