"""What stands for the module ccxt: one exchange, whose answers and troubles are set from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any


class Limited(Exception):
    """Stands for ccxt.RateLimitExceeded."""


class Banned(Exception):
    """Stands for ccxt.DDoSProtection."""


class NoSymbol(Exception):
    """Stands for ccxt.BadSymbol."""


class Socket:
    """What receives frames inside the library, in a callback of the loop."""

    def __init__(self, world: World) -> None:
        self._world = world

    def handle_message(self, message: Any) -> None:
        self._world.told("frames", None)


class Client:
    """One client; ``world`` decides what it tells."""

    precisionMode = 4  # noqa: N815 - as ccxt has it

    def __init__(self, world: World, options: dict[str, Any]) -> None:
        self._world = world
        self.has, self.options, self.timeframes = dict(world.has), options, dict(world.timeframes)
        self.urls: dict[str, Any] = {
            "api": {"public": "https://api.x.com/v1", "ws": {"spot": "wss://x.com/ws"}}
        }
        self.number: Any = float
        self.markets: Any = None
        self.last_response_headers: Any = {"Retry-After": "7"}
        self.closed = False
        self.sockets: dict[str, Socket] = {}
        world.clients.append(self)

    def set_markets(self, markets: Any) -> Any:
        self.markets = markets

    def market(self, symbol: str) -> Any:
        if symbol not in self.markets:
            raise NoSymbol(f"fake does not have market symbol {symbol}")
        return self.markets[symbol]

    async def load_markets(self) -> Any:
        self._world.loads += 1
        self.markets = await self._world.answer("markets")

    async def watch_trades(self, symbol: str) -> Any:
        return await self._watched("trades")

    async def watch_bids_asks(self, symbols: list[str]) -> Any:
        return {symbols[0]: await self._watched("quotes")}

    async def watch_ticker(self, symbol: str) -> Any:
        return await self._watched("quotes")

    async def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> Any:
        return await self._world.answer("candles")

    async def fetch_funding_rate_history(self, symbol: str, since: int, limit: int) -> Any:
        return await self._world.answer("fundings")

    async def fetch_time(self) -> Any:
        return await self._world.answer("time")

    def client(self, url: str) -> Socket:
        return self.sockets.setdefault(url, Socket(self._world))

    async def close(self) -> Any:
        self.closed = True
        if self._world.hangs_in_close:
            await asyncio.Event().wait()

    async def _watched(self, name: str) -> Any:
        self.client("wss://x.com/ws").handle_message(None)
        return await self._world.answer(name)


class World:
    """What stands behind all clients: to each name what is told, in turn, then silence.

    An exception among them is raised, a function called.
    """

    exchanges = ("fake",)
    RateLimitExceeded, DDoSProtection, BadSymbol = Limited, Banned, NoSymbol

    def __init__(self, **answers: Iterable[Any]) -> None:
        self.has = {"watchTrades": True, "watchBidsAsks": True, "watchTicker": True, "fetchOHLCV": True}
        markets = {"BTC/USDT": MARKET, "X/USDT": {**MARKET, "symbol": "X/USDT"}}
        self.answers = {name: iter(told) for name, told in {"markets": [markets], **answers}.items()}
        self.timeframes = {"1m": "1m", "5m": "5m", "1h": "1h", "1d": "1d"}
        self.clients: list[Client] = []
        self.loads = 0
        self.hangs_in_close = False
        self.pro = self
        self.async_support = SimpleNamespace(exchanges=("fake", "deaf"), deaf=self.fake)

    def fake(self, options: dict[str, Any]) -> Client:
        return Client(self, options)

    async def answer(self, name: str) -> Any:
        """Return the next answer, or none ever."""
        await asyncio.sleep(0)
        found = self.told(name, self)
        if found is self:
            await asyncio.Event().wait()
        return found

    def told(self, name: str, otherwise: Any) -> Any:
        """Return the next answer, or ``otherwise``."""
        found = next(self.answers.get(name, iter(())), otherwise)
        if isinstance(found, Exception):
            raise found
        return found() if callable(found) else found


MARKET = {
    "symbol": "BTC/USDT",
    "precision": {"price": "0.01", "amount": "0.0001"},
    "limits": {"amount": {"min": "0.001"}, "cost": {"min": "5"}},
    "contract": False,
    "contractSize": None,
    "inverse": None,
    "info": {},
}
