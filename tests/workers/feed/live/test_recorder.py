"""A recording that is ended in the middle, by whomever, holds what came until then."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.support.deadline import until
from tests.support.exchange.capture import Frame
from tests.support.exchange.server import LocalExchange, now_ms, running
from tests.workers.feed.exchanges.markets import market
from tests.workers.feed.live.bench import MINUTE, quote
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.file import read_frames
from workers.feed.live.core import LiveCore
from workers.feed.live.network import Connection, Response, Unreachable
from workers.feed.live.recorder import FLUSH_MS, Tape, Taped, chance, record
from workers.feed.live.settings import LiveSettings
from workers.feed.live.state import LiveState
from workers.feed.recording_session import BadWish, run

NAMES = ["frames.ws.jsonl", "frames.ws.jsonl.gz"]


async def quotes(_path: str) -> AsyncIterator[Frame]:
    while True:
        await asyncio.sleep(0.005)
        yield Frame(now_ms(), quote(now_ms()))


async def recorded(out: Path, *numbers: signal.Signals) -> int:
    """Record quotes, and have these signals come in the middle of it; how many frames came."""
    async with running(LocalExchange(quotes)) as local:
        wishes = {
            "source": "exchange", "exchange": "binance", "symbol": "BTC/USDT", "history": 0,
            "ws_url": local.ws_url, "rest_url": local.rest_url,
        }  # fmt: skip
        recording = asyncio.create_task(run(wishes, out, 600.0, lambda _: None))
        for number in numbers:
            enough = local.served + 5
            await until(lambda enough=enough: local.served > enough)  # type: ignore[misc]
            assert not recording.done()
            os.kill(os.getpid(), number)
        return await asyncio.wait_for(recording, 10)


@pytest.mark.req("F1")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_recording_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    """Whoever has enough says so with Ctrl+C; the file is closed, and how much is in it is known."""
    out = tmp_path / NAMES[1]
    frames = asyncio.run(recorded(out, number))
    lines, cut = read_frames(out)

    assert frames == sum(b'"in"' in line for line in lines) > 0
    assert not cut


@pytest.mark.req("F1")
def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    """Whoever starts it with nohup wants it to outlive the terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        frames = asyncio.run(recorded(tmp_path / NAMES[0], signal.SIGHUP, signal.SIGTERM))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)

    assert frames > 5


@pytest.mark.req("F1")
@pytest.mark.parametrize("name", NAMES)
def test_of_a_recorder_that_is_killed_only_the_last_seconds_are_lost(tmp_path: Path, name: str) -> None:
    """What is older is on disk, and can be read though the file has no proper end."""
    clock = [0]
    tape = Tape(tmp_path / name, lambda: clock[0])
    for n in range(3):
        clock[0] += FLUSH_MS
        tape.write("in", "url", f"frame {n}")
    tape.write("in", "url", "of this moment")
    lines, _ = read_frames(tmp_path / name)

    assert [f"frame {n}" in str(line) for n, line in enumerate(lines[:3])] == [True] * 3
    tape.close()


class Broken:
    """A network, or a disk behind it, that fails in a way which nobody foresaw."""

    def connect(self, url: str) -> AbstractAsyncContextManager[Connection]:
        raise OSError(28, "No space left on device")

    async def get(self, url: str) -> Response:
        raise Unreachable("down")


@pytest.mark.req("F1")
def test_a_recording_that_fails_says_so_and_does_not_pass_for_a_short_one(tmp_path: Path) -> None:
    """A frame that cannot be written ends it with the error."""
    settings = LiveSettings(
        symbol="BTC/USDT", market=market("BTC/USDT"), timeframe="1m", length_ms=MINUTE, history=0
    )
    core = LiveCore(EXCHANGES["binance"], settings, LiveState(market="recorded"), chance)
    tape = Tape(tmp_path / NAMES[0], now_ms)
    work = record(
        core, Taped(Broken(), tape), "http://127.0.0.1:1", wall_ms=now_ms, seconds=30.0,
        tell=lambda _: None, over=asyncio.Event(),
    )  # fmt: skip
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(work)
    tape.close()


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"exchange": "nope"}, "--exchange nope: allowed: binance, bitfinex, bitunix, bybit, kraken, okx$"),
        ({"exchange": "ccxt:binance"}, "--exchange ccxt:binance: allowed: binance, .* okx$"),
        ({"symbol": "$"}, r"--symbol \$: symbol must be like"),
        ({"timeframe": "7m"}, "--timeframe 7m: allowed: "),
        ({"ws_url": "ws://example.com"}, "--ws-url ws://example.com: must begin with wss://"),
        ({"exchange": "kraken", "market": "perpetual"}, "--market perpetual: kraken has spot here"),
    ],
)
def test_what_cannot_be_recorded_is_said_in_words_of_the_command(
    tmp_path: Path, wishes: dict[str, Any], sentence: str
) -> None:
    """There is no tree file to correct, and no file is made."""
    with pytest.raises(BadWish, match=sentence):
        asyncio.run(
            run({"source": "exchange", "exchange": "binance", **wishes}, tmp_path / NAMES[0], 1.0, print)
        )
    assert [] == list(tmp_path.iterdir())
