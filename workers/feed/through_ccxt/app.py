"""Makes exchange and network of a section that names an exchange of ccxt's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workers.feed.config import FeedConfig
from workers.feed.through_ccxt.aside import Aside
from workers.feed.through_ccxt.exchange import PREFIX, CcxtExchange
from workers.feed.through_ccxt.library import Client, Library, Unknown, imported
from workers.feed.through_ccxt.network import CcxtNetwork
from workers.shared.config import BadConfig


def build(config: FeedConfig, child: str, module: Callable[[], Any] = imported) -> tuple[CcxtExchange, Aside]:
    """Return both. Raises BadConfig for an exchange that is not there, or that cannot do what is wished."""
    name = config.exchange.removeprefix(PREFIX)
    try:
        library = Library(module(), name, ws_url=config.ws_url, rest_url=config.rest_url)
    except Unknown as error:
        raise BadConfig(key=f"{child}.config.exchange", found=config.exchange, problem=str(error)) from error
    # It has opened nothing, so there is nothing to close.
    client = library.client()
    exchange = CcxtExchange(name, client.has, client.timeframes)
    for key, found, problem in _problems(exchange, client, config):
        raise BadConfig(key=f"{child}.config.{key}", found=found, problem=problem)
    return exchange, Aside(CcxtNetwork(library))


def _problems(exchange: CcxtExchange, client: Client, config: FeedConfig) -> list[tuple[str, str, str]]:
    found = []
    if not client.has.get("fetchOHLCV"):
        problem = "ccxt has no candles of it by REST, so none could be confirmed"
        found.append(("exchange", config.exchange, problem))
    if not exchange.timeframes & {config.timeframe, "1m"}:
        told = ", ".join(sorted(exchange.timeframes)) or "none"
        found.append(("timeframe", config.timeframe, f"the exchange has {told}, and no 1m to make it of"))
    if config.poll_interval is None and not exchange.watches:
        problem = f'ccxt cannot listen to {config.exchange}: write "10s" or more'
        found.append(("poll_interval", "nothing", problem))
    if config.candles == "trades" and "watchTrades" not in exchange.watches:
        found.append(("candles", config.candles, "ccxt cannot listen to its trades"))
    return found
