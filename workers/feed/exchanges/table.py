"""The exchanges that are known by name. A new one is a module and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workers.feed.exchanges.binance import Binance
from workers.feed.exchanges.bitfinex import Bitfinex
from workers.feed.exchanges.bitunix import Bitunix
from workers.feed.exchanges.bybit import Bybit
from workers.feed.exchanges.kraken import Kraken
from workers.feed.exchanges.okx import Okx
from workers.feed.exchanges.port import Exchange

EXCHANGES: Final[Mapping[str, Exchange]] = {
    exchange.name: exchange for exchange in (Binance(), Bitfinex(), Bitunix(), Bybit(), Kraken(), Okx())
}
