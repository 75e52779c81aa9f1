"""Puts a live feed together: configuration, exchange, state, core, and the network beside it."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from decimal import Decimal
from typing import Final

import msgspec
from loguru import logger

from protocol.codec import MARKET
from protocol.messages.stream import MarketRole
from protocol.retention import Policy
from workers.feed.config import TIMEFRAME_MS, FeedConfig
from workers.feed.exchanges.bitunix import Bitunix
from workers.feed.exchanges.port import Exchange, Market
from workers.feed.exchanges.symbols import pair
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live import grids
from workers.feed.live.core import LiveCore
from workers.feed.live.hours import Calendar
from workers.feed.live.internet import Internet
from workers.feed.live.kept import kept_calendar
from workers.feed.live.network import Network
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
    try:
        instrument = grids.found(
            context, config, state.instrument, lambda: grids.asked(exchange, market, network, rest_base)
        )
    except BadConfig:
        journal.close()
        raise
    sized = replace(market, contract_size=instrument.contract_size)
    core = LiveCore(exchange, settings_of(config, sized), state, random.Random().random)
    if instrument.filters_known:
        core.learned(instrument)
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
        policy=_policy(config),
        services=(LiveService(core, network, rest_base, wall_ms),),
    )


def _policy(config: FeedConfig) -> Policy:
    """Keep what a first start would have asked for: a strategy that is added later has a warm-up too."""
    return Policy(keep_s=max(Policy.keep_s, config.history * config.timeframe_ms / 1000))


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
