"""Records a live market for a while: what ``paper record`` runs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from workers.feed.config import FeedConfig, check
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live.app import market_of, settings_of, wall_ms
from workers.feed.live.core import LiveCore
from workers.feed.live.errors import NoData
from workers.feed.live.internet import Internet
from workers.feed.live.recorder import Tape, Taped, chance, record
from workers.feed.live.state import LiveState
from workers.shared.config import BadConfig, decode
from workers.shared.core import LogLine

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class BadWish(Exception):
    """What is asked for cannot be recorded; the sentence says why."""


async def run(wishes: Mapping[str, Any], path: Path, seconds: float, tell: Callable[[str], None]) -> int:
    """Write the frames of ``seconds`` to the new file ``path``; return how many came.

    Ends early when nothing comes any more, and at a signal; without a frame no file is left. Raises BadWish,
    and OSError for the file.
    """
    config = _checked(wishes)
    exchange = EXCHANGES[config.exchange]
    market = market_of(exchange, config)
    tape = Tape(path, wall_ms)
    try:
        core = LiveCore(exchange, settings_of(config, market), LiveState(market="recorded"), chance)
        rest_base = config.rest_url or exchange.rest_base(market.kind)
        with _ended_by_signals() as over:
            await record(
                core, Taped(Internet(), tape), rest_base, wall_ms=wall_ms, seconds=seconds,
                tell=lambda line: tell(_sentence(line)), over=over,
            )  # fmt: skip
    except NoData as error:
        tell(str(error))
    finally:
        tape.close()
    return tape.frames


def _checked(wishes: Mapping[str, Any]) -> FeedConfig:
    exchange = wishes["exchange"]
    if exchange not in EXCHANGES:
        # Others can be listened to, but through a library that keeps their frames to itself.
        raise BadWish(f"--exchange {exchange}: allowed: {', '.join(sorted(EXCHANGES))}")
    try:
        return check(decode(wishes, FeedConfig, "record"), "record")
    except BadConfig as error:
        option = error.key.rpartition(".")[2].replace("_", "-")
        raise BadWish(f"--{option} {error.found}: {error.problem}") from error


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[asyncio.Event]:
    """Have an event that is set by Ctrl+C and by those who stop programs in good order."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    # What nohup, or a shell in the background, has ignored is meant to be.
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, over.set)
    try:
        yield over
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


def _sentence(line: LogLine) -> str:
    return f"{line.message}  " + " ".join(f"{key}={value}" for key, value in line.facts.items())
