"""Recordings of raw frames: made by ``paper record``, replayed as rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.messages.market import Candle
from tests.support.deadline import until
from tests.support.exchange.capture import DATA, Frame
from tests.support.exchange.server import LocalExchange, now_ms, running
from tests.workers.feed.live.bench import MINUTE, kline, quote
from workers.feed.config import FeedConfig
from workers.feed.errors import BadRecording
from workers.feed.recording import load
from workers.feed.recording_session import BadWish, run


def config(name: str, exchange: str, symbol: str, market: str = "spot") -> FeedConfig:
    return FeedConfig(file=name, exchange=exchange, symbol=symbol, market=market)  # type: ignore[arg-type]


@pytest.mark.req("F1")
def test_frames_with_candles_are_replayed_as_candles() -> None:
    """The one candle that closes in a capture of 92 seconds."""
    path = DATA / "binance-spot_2021-04-04.ws.jsonl.gz"
    recording = load(path, config(path.name, "binance", "BTC/USDT"))
    candle = recording.message(1)

    assert 1 == recording.count
    assert isinstance(candle, Candle)
    assert ("57999.99000000", "1m") == (str(candle.close), recording.timeframe)


@pytest.mark.req("F1")
def test_frames_without_candles_are_replayed_as_a_tape_without_odd_prints() -> None:
    """Futures of 2023: 3,763 trades less the insurance fund's one."""
    path = DATA / "binance-futures-BTCUSDT_2023-04-04.ws.jsonl.gz"
    recording = load(path, config(path.name, "binance", "BTC/USDT", "perpetual"))

    assert "trade" == recording.timeframe
    assert 3762 == recording.count


@pytest.mark.req("F5")
def test_frames_of_another_market_are_refused_with_a_sentence() -> None:
    """Nothing of the market is in the file: what to set is said."""
    path = DATA / "okx_2022-05-13.ws.jsonl.gz"
    with pytest.raises(BadRecording, match="no closed candle and no trade of okx spot ETH/USDT"):
        load(path, config(path.name, "okx", "ETH/USDT"))


@pytest.mark.req("F1")
def test_what_is_recorded_can_be_replayed(tmp_path: Path) -> None:
    """A closing candle is heard and written down; the file, left in the middle, gives it back."""
    out, told = tmp_path / "btc.ws.jsonl.gz", list[str]()

    async def script(_path: str) -> AsyncIterator[Frame]:
        open_ms = now_ms() // MINUTE * MINUTE
        for closed in (False, True):
            yield Frame(now_ms(), kline(open_ms, 101, closed=closed))
        while True:
            await asyncio.sleep(0.01)
            yield Frame(now_ms(), quote(now_ms()))

    async def main() -> None:
        async with running(LocalExchange(script)) as local:
            wishes = {
                "source": "exchange", "exchange": "binance", "symbol": "BTC/USDT", "history": 0,
                "ws_url": local.ws_url, "rest_url": local.rest_url,
            }  # fmt: skip
            recording = asyncio.create_task(run(wishes, out, 60.0, told.append))
            await until(lambda: any("candle closed" in line for line in told), state=lambda: told)
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)

    asyncio.run(main())
    recording = load(out, config(out.name, "binance", "BTC/USDT"))
    candle = recording.message(1)

    assert 1 == recording.count
    assert isinstance(candle, Candle)
    assert "101" == str(candle.close)


def test_what_cannot_be_recorded_is_said(tmp_path: Path) -> None:
    """An unknown exchange, before any file is made."""
    with pytest.raises(BadWish, match="allowed: binance"):
        asyncio.run(run({"source": "exchange", "exchange": "nope"}, tmp_path / "x.ws.jsonl", 1.0, print))
    assert [] == list(tmp_path.iterdir())
