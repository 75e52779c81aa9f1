"""Records a live market for a while: what ``paper record`` runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workers.feed.config import FeedConfig, check
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live.app import market_of, settings_of, wall_ms
from workers.feed.live.core import LiveCore
from workers.feed.live.errors import NoData
from workers.feed.live.internet import Internet
from workers.feed.live.recorder import Tape, Taped, chance, record
from workers.feed.live.state import LiveState
from workers.shared.config import decode
from workers.shared.core import LogLine
from workers.shared.exits import PersonMustLook


class BadWish(Exception):
    """What is asked for cannot be recorded; the sentence says why."""


async def run(wishes: Mapping[str, Any], path: Path, seconds: float, tell: Callable[[str], None]) -> int:
    """Write the frames of ``seconds`` to the new file ``path``; return how many came.

    Ends early when nothing comes any more; without a frame no file is left. Raises
    BadWish, and OSError for the file.
    """
    try:
        config = check(decode(wishes, FeedConfig, "record"), "record")
    except PersonMustLook as error:
        raise BadWish(str(error)) from error
    exchange = EXCHANGES[config.exchange]
    market = market_of(exchange, config)
    tape = Tape(path, wall_ms)
    try:
        core = LiveCore(exchange, settings_of(config, market), LiveState(market="recorded"), chance)
        rest_base = config.rest_url or exchange.rest_base(market.kind)
        await record(
            core, Taped(Internet(), tape), rest_base, wall_ms=wall_ms, seconds=seconds,
            tell=lambda line: tell(_sentence(line)),
        )  # fmt: skip
    except NoData as error:
        tell(str(error))
    finally:
        tape.close()
    return tape.frames


def _sentence(line: LogLine) -> str:
    return f"{line.message}  " + " ".join(f"{key}={value}" for key, value in line.facts.items())
