"""The library as we use it: a port. Its import costs 3 s and 100 MiB, and is made only when asked for."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from workers.feed.live.network import Response, Unreachable

EXTRA_MISSING: Final = "ccxt is not installed: pip install 'supervisor-tree[ccxt]'"
_BANNED: Final = re.compile(r"\b418\b")
TICK_SIZE: Final = 4
"""ccxt's name for precisions that are steps, as they are at all its exchanges but two."""


class Client(Protocol):
    """An exchange object of ccxt's; anything may come out of it, and any exception."""

    has: Mapping[str, Any]
    timeframes: Mapping[str, Any] | None
    precisionMode: Any  # noqa: N815 - the library's own name
    urls: dict[str, Any]
    markets: Any
    number: Any
    last_response_headers: Any
    client: Callable[[str], Any]

    def set_markets(self, markets: Any) -> Any: ...

    def market(self, symbol: str) -> Any: ...

    async def load_markets(self) -> Any: ...

    async def watch_trades(self, symbol: str) -> Any: ...

    async def watch_ticker(self, symbol: str) -> Any: ...

    async def watch_bids_asks(self, symbols: list[str]) -> Any: ...

    async def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> Any: ...

    async def fetch_funding_rate_history(self, symbol: str, since: int, limit: int) -> Any: ...

    async def fetch_time(self) -> Any: ...

    async def close(self) -> Any: ...


class Unknown(Exception):
    """No such library, or no such exchange in it; the sentence says which."""


class NotListed(Exception):
    """The exchange answered, and has no such market."""


class Library:
    """Makes clients of one exchange. ``module`` is ``ccxt``, or what stands for it.

    An exchange that ``ccxt.pro`` cannot watch is taken from ``ccxt.async_support``, to be asked only. Raises
    Unknown.
    """

    def __init__(self, module: Any, name: str, *, ws_url: str = "", rest_url: str = "") -> None:
        home = next((it for it in (module.pro, module.async_support) if name in it.exchanges), None)
        if home is None:
            raise Unknown(f"ccxt has no exchange {name!r}")
        self._make = getattr(home, name)
        self._module, self._ws_url, self._rest_url = module, ws_url, rest_url

    def client(self) -> Client:
        """Return a new client, numbers as strings of digits, addresses as configured."""
        client: Client = self._make({"enableRateLimit": True, "newUpdates": True})
        client.number = str
        client.urls["api"] = self._moved(client.urls["api"])
        return client

    def market(self, client: Client, symbol: str) -> dict[str, Any]:
        """Return what ``client`` knows of a market. Raises NotListed; Unreachable if it knows none."""
        if not client.markets:
            raise Unreachable("ccxt: the exchange told of no markets")
        try:
            found: dict[str, Any] = client.market(symbol)
        except self._module.BadSymbol as error:
            raise NotListed(str(error)[:200]) from error
        return found

    def refusal(self, error: BaseException | None, client: Client) -> Response | None:
        """Return the HTTP answer that an exception of the library stands for, if it does for one."""
        if not isinstance(error, self._module.RateLimitExceeded | self._module.DDoSProtection):
            return None
        # Of Binance both are DDoSProtection; the status is in the sentence only.
        return Response(418 if _BANNED.search(str(error)) else 429, b"", _retry_after_s(client))

    def _moved(self, found: Any) -> Any:
        if isinstance(found, dict):
            return {key: self._moved(inner) for key, inner in found.items()}
        if not isinstance(found, str):
            return found
        base = self._ws_url if found.startswith("ws") else self._rest_url
        return base.rstrip("/") + urlsplit(found).path if base else found


def guard(client: Client, told: Callable[[Exception], None]) -> None:
    """Have ``told`` hear of each frame that the library cannot take.

    Unguarded, one such frame ends its receive loop, in a callback of the event loop that nobody awaits.
    """
    made = client.client

    def guarded(url: str) -> Any:
        socket = made(url)
        if "handle_message" not in vars(socket):
            socket.handle_message = _careful(socket.handle_message, told)
        return socket

    client.client = guarded


def _careful(handle: Callable[[Any], None], told: Callable[[Exception], None]) -> Callable[[Any], None]:
    def handle_message(message: Any) -> None:
        try:
            handle(message)
        except Exception as error:  # noqa: BLE001 - told, and counted as a bad frame
            told(error)

    return handle_message


def _retry_after_s(client: Client) -> float | None:
    headers = client.last_response_headers
    found = headers.get("Retry-After") if isinstance(headers, dict) else None
    return float(found) if isinstance(found, str) and found.isascii() and found.isdigit() else None


def problem(name: str) -> str | None:
    """Return why exchange ``name`` cannot be had, as far as that is known without importing anything."""
    spec = importlib.util.find_spec("ccxt")
    if spec is None or not spec.submodule_search_locations:
        return EXTRA_MISSING
    if not name.isidentifier():
        return "write ccxt:NAME with a name of ccxt's, such as ccxt:coinbase"
    places = (Path(place, "async_support", f"{name}.py") for place in spec.submodule_search_locations)
    return None if any(place.is_file() for place in places) else f"ccxt has no exchange {name!r}"


def imported() -> Any:
    """Return the module. Raises Unknown."""
    try:
        for half in ("ccxt.pro", "ccxt.async_support"):
            importlib.import_module(half)
        return importlib.import_module("ccxt")
    except ImportError as error:
        raise Unknown(EXTRA_MISSING) from error
