"""What each exchange sends around the last whole minute: recorded where there is a recording, else built."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.exchange.capture import MINUTE_MS, Capture, Frame, answer, made, recorded, shifted
from tests.support.exchange.history import past
from tests.support.exchange.server import LocalExchange, now_ms
from workers.feed.exchanges.events import BestQuote, Kline
from workers.feed.exchanges.port import Market
from workers.feed.exchanges.symbols import pair
from workers.feed.exchanges.table import EXCHANGES

BEAT_S = 0.05
FRESH_S = 0.5
AGREED_S = 10.0
"""How long the minute that closes stays the same: longer than a feed takes to ask and to listen."""


@dataclass(frozen=True)
class Session:
    """A market, the sources of its frames, and its price."""

    exchange: str
    kind: str
    symbol: str
    price: str
    sources: tuple[str, ...]

    def playing(self, **more: Any) -> LocalExchange:
        """Return an exchange that plays it."""
        play = Play(self)
        return LocalExchange(play.script, play.rest, **more)


class Play:
    """A session as it is played: at once, its first whole minute being the last one that has passed.

    What REST tells of the past and what a connection brings then agree on the minute that closes, though
    another may begin in between.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._boundary_ms, self._agreed_until = 0, float("-inf")

    async def script(self, _path: str) -> AsyncIterator[Frame]:
        """Play it; then repeat prices."""
        boundary_ms = self._closing_ms()
        frames = [it for source in self._session.sources for it in _ending_at(source, boundary_ms).frames]
        frames, prices = self._parts(sorted(frames, key=lambda it: it.at_ms))
        for frame in frames:
            if frame.at_ms < boundary_ms:
                yield frame
        # Whoever trades on the candle that closes now has seen a fresh price before.
        for frame in prices:
            yield _fresh(frame)
        await asyncio.sleep(FRESH_S)
        for frame in frames:
            if frame.at_ms >= boundary_ms:
                yield frame
        while True:
            for frame in prices:
                await asyncio.sleep(BEAT_S)
                yield _fresh(frame)

    def rest(self, path: str, query: Mapping[str, str]) -> str | None:
        """Answer a question about grids, the time, or the past."""
        if path.endswith("/time"):
            return clock(now_ms())
        return _grids(path, query) or self._history(path)

    def _history(self, path: str) -> str | None:
        """Answer with everything up to the candle that closes in the script, this one left out."""
        return past(self._session.exchange, path, self._session.price, self._closing_ms() - MINUTE_MS)

    def _closing_ms(self) -> int:
        now = time.monotonic()
        if now >= self._agreed_until:
            self._boundary_ms, self._agreed_until = now_ms() // MINUTE_MS * MINUTE_MS, now + AGREED_S
        return self._boundary_ms

    def _parts(self, frames: Sequence[Frame]) -> tuple[list[Frame], list[Frame]]:
        """Return the frames up to the last candle, and the last prices.

        An exchange that has told a trade tells its candle, too; what a capture broke off would owe one.
        """
        exchange = EXCHANGES[self._session.exchange]
        kind = next(kind for kind in exchange.kinds if kind == self._session.kind)
        session = exchange.session(Market(pair(self._session.symbol), kind, "1m", MINUTE_MS))
        said = [(frame, {type(event) for event in session.parse(frame.text)}) for frame in frames]
        last = max(n for n, (_, kinds) in enumerate(said) if Kline in kinds)
        return list(frames[: last + 1]), [frame for frame, kinds in said if BestQuote in kinds][-5:]


SESSIONS: dict[str, Session] = {
    f"{it.exchange} {it.kind}": it
    for it in (
        Session(
            "binance", "spot", "BTC/USDT", "58000", ("binance-spot_2021-04-04", "made/binance-spot-quotes")
        ),
        Session("binance", "perpetual", "SUSHI/USDT", "7.61", ("binance-futures_2021-07-22",)),
        Session("bitfinex", "spot", "ETH/JPY", "230890", ("bitfinex_2021-04-05", "made/bitfinex-candles")),
        Session("bitunix", "perpetual", "BTC/USDT", "36500", ("made/bitunix",)),
        Session(
            "bybit", "perpetual", "RAD/USDT", "0.65", ("bybit-v5-quotes_2025-06-13", "made/bybit-candles")
        ),
        Session("kraken", "spot", "BTC/USD", "36500", ("made/kraken",)),
        Session("okx", "spot", "BTC/USDT", "30218", ("okx_2022-05-13", "made/okx-candles")),
    )
}


GRIDS: Mapping[str, str] = {
    "/v5/market/instruments-info": '{"retCode":0,"result":{"list":[{"symbol":"RADUSDT",'
    '"priceFilter":{"tickSize":"0.0001"},"lotSizeFilter":{"qtyStep":"0.1","minOrderQty":"0.1","minNotionalValue":"5"}}]}}',
    "/api/v1/futures/market/trading_pairs": '{"code":0,"data":[{"symbol":"BTCUSDT","basePrecision":4,'
    '"quotePrecision":1,"minTradeVolume":"0.0001"}],"msg":"Success"}',
    "/v2/conf/pub:info:pair": '[[["ETHJPY",[null,null,null,"0.0008","5000.0",null]]]]',
}
"""Built after documentation; of the others there are recorded answers."""


def _grids(path: str, query: Mapping[str, str]) -> str | None:
    if path.endswith(("exchangeInfo", "AssetPairs")):
        return answer(path)
    if path.endswith("/public/instruments"):
        return answer(f"instType={query['instType']}")
    return GRIDS.get(path)


def clock(at_ms: int) -> str:
    """Answer what time it is, in the forms of all exchanges at once."""
    forms = {"serverTime": at_ms, "time": at_ms, "code": "0", "data": [{"ts": str(at_ms)}], "error": []}
    return json.dumps({**forms, "result": {"unixtime": at_ms // 1000}})


def _fresh(frame: Frame) -> Frame:
    at_ms = now_ms()
    return Frame(at_ms, shifted(frame.text, at_ms - frame.at_ms, frame.at_ms), frame.path)


def _ending_at(source: str, boundary_ms: int) -> Capture:
    name = source.removeprefix("made/")
    capture = recorded(name) if name == source else made(name)
    first_ms = -(-capture.first_ms // MINUTE_MS) * MINUTE_MS
    return capture.shifted(boundary_ms - first_ms)
