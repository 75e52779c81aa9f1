"""The feed as a process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from loguru import logger

from protocol.codec import MARKET
from protocol.messages.control import Launch
from protocol.messages.stream import MarketRole
from workers.feed.config import FeedConfig, check
from workers.feed.core import FeedCore
from workers.feed.live.kept import kept_calendar
from workers.feed.recording import Recording, load
from workers.shared.preflight import Part, Place, section
from workers.shared.process import run
from workers.shared.worker import Context, Worker

COARSE: Final = Decimal("0.005")
"""A tick of a larger share of the price than this makes nonsense of fills."""


def main(launch: Launch) -> int:
    """Run the feed that ``launch`` describes until SIGTERM; returns the exit code."""
    return run(launch, build)


def _startable(config: FeedConfig, place: Place) -> None:
    """Raise PersonMustLook for what cannot be served, or cannot be read: a recording, a calendar."""
    check(config, place.child)
    if config.source == "recorded":
        load(place.path(config.file), config)
    if config.calendar:
        today = datetime.now(UTC).date()
        kept_calendar(config.calendar)(today, today + timedelta(days=14))


preflight = section(FeedConfig, _startable)
"""What is wrong with a section, told before the start."""


def part_in_run(config: Mapping[str, Any]) -> Part | None:
    """Say whether a run with this section ends by itself."""
    ends = (config.get("source", "recorded"), config.get("on_end", "shutdown")) == ("recorded", "shutdown")
    return "ends" if ends else None


def build(context: Context) -> Worker:
    """Return the feed that the configuration asks for."""
    config = check(context.config(FeedConfig), context.launch.child)
    if config.source == "exchange":
        # Late: a feed that replays a recording needs no network.
        from workers.feed.live.app import build_exchange

        return build_exchange(context, config)
    if config.source == "simulated":
        from workers.feed.live.app import build_simulated

        return build_simulated(context, config)
    return _recorded(context, config)


def _recorded(context: Context, config: FeedConfig) -> Worker:
    """Read the recording and go on from the row where the last incarnation stopped."""
    journal = context.open_journal()
    recording = load(context.path(config.file), config)
    _tell(recording, config)
    core = FeedCore(recording, config.speed, journal.state())
    return Worker(
        core=core,
        journal=journal,
        role=_role(config, recording.timeframe),
        encode=MARKET.encode,
        source=core.source,
        on_asked=core.asked,
        timed=core,
        condition=core.condition,
    )


def _role(config: FeedConfig, timeframe: str) -> MarketRole:
    return MarketRole(
        symbol=config.symbol,
        timeframe=timeframe,
        instrument=config.instrument.as_message(),
        lockstep=True,
    )


def _tell(recording: Recording, config: FeedConfig) -> None:
    facts = {"file": config.file, "symbol": config.symbol, "candles": recording.count, "speed": config.speed}
    logger.bind(**facts).info("recording opened")
    for bad in recording.rows.examples:
        logger.bind(symbol=config.symbol, line=bad.line, kind=bad.kind, text=bad.text).warning("row skipped")
    if recording.rejected:
        logger.bind(symbol=config.symbol, **recording.rows.rejected).warning("rows skipped in all")
    if (price := recording.close(1)) * COARSE < config.instrument.tick:
        logger.bind(symbol=config.symbol, price=price, tick=config.instrument.tick).warning(
            "fills are rounded to a tick that is coarse for these prices: set instrument.tick"
        )
