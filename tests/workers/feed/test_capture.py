"""Recordings of raw frames: made by ``paper record``, replayed as rows."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.messages.market import Candle
from tests.support.deadline import until
from tests.support.exchange.capture import DATA, Frame
from tests.support.exchange.server import LocalExchange, now_ms, running
from tests.workers.feed.live.bench import MINUTE, kline, quote, trade
from workers.feed.config import FeedConfig
from workers.feed.errors import BadRecording
from workers.feed.recording import load
from workers.feed.recording_session import run


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


@pytest.mark.req("F5")
def test_frames_of_another_exchange_are_refused_with_how_many_are_not_understood() -> None:
    """A wrong exchange in the section looks like that."""
    path = DATA / "okx_2022-05-13.ws.jsonl.gz"
    with pytest.raises(
        BadRecording, match=r"of kraken spot BTC/USDT; \d+ of its lines are no frames of kraken"
    ):
        load(path, config(path.name, "kraken", "BTC/USDT"))


@pytest.mark.req("F5")
@pytest.mark.parametrize("name", ["cut.ws.jsonl", "cut.ws.jsonl.gz"])
def test_a_file_that_ends_in_the_middle_is_replayed_up_to_there(tmp_path: Path, name: str) -> None:
    """Its recorder was killed, or the disk was full; what is missing is counted."""
    whole = gzip.decompress((DATA / "binance-futures-BTCUSDT_2023-04-04.ws.jsonl.gz").read_bytes())
    path = tmp_path / name
    path.write_bytes(gzip.compress(whole)[:-20_000] if name.endswith("gz") else whole[:-5000])
    recording = load(path, config(name, "binance", "BTC/USDT", "perpetual"))

    assert 1000 < recording.count < 3762
    assert {"not_market": 1, "frame": 1}.items() >= recording.rows.rejected.items()
    assert 1 == recording.rows.rejected["frame"]


@pytest.mark.req("F5")
def test_lines_that_are_no_frames_are_skipped_and_counted(tmp_path: Path) -> None:
    """Whatever they hold; a line break inside a frame's text does not end its line."""
    frames = [kline(0, closed=True), trade(1, 1).replace('"e"', '"x":"\u2028\x85","e"'), '{"e":"trade"']
    lines = [json.dumps({"ts": 120.0, "direction": "in", "frame": it}, ensure_ascii=False) for it in frames]
    odd = [b"garbage", b"[]", b'{"ts":1}', b'{"ts":"x","direction":"in","frame":"{}"}', b"\xff\xfe{}", b""]
    path = tmp_path / "odd.ws.jsonl"
    path.write_bytes(b"\n".join([*odd, *(line.encode() for line in lines)]))
    recording = load(path, config(path.name, "binance", "BTC/USDT"))

    assert 1 == recording.count
    assert {"frame": 6} == recording.rows.rejected


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    ("exchange", "symbol", "sentence"),
    [("binance", "$$$", "symbol must be like"), ("nope", "BTC/USDT", "set exchange to one of binance")],
)
def test_frames_are_not_read_for_a_market_that_cannot_be(exchange: str, symbol: str, sentence: str) -> None:
    """What is wrong with the section is a sentence of a person's, not a crash."""
    path = DATA / "okx_2022-05-13.ws.jsonl.gz"
    with pytest.raises(BadRecording, match=sentence):
        load(path, config(path.name, exchange, symbol))
