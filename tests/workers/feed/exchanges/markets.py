"""The markets and frames that the tests of the exchange modules use."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.exchange.capture import Capture, made, recorded
from workers.feed.exchanges.port import Exchange, Kind, Market
from workers.feed.exchanges.symbols import pair
from workers.feed.exchanges.table import EXCHANGES

MINUTE = 60_000


def market(symbol: str, kind: Kind = "spot", timeframe: str = "1m", timeframe_ms: int = MINUTE) -> Market:
    """Return a market of minutes, if nothing else is said."""
    return Market(pair(symbol), kind, timeframe, timeframe_ms)


@dataclass(frozen=True)
class Sample:
    """Frames of a market; ``source`` names the file, that of made ones begins with ``made/``."""

    exchange_name: str
    source: str
    symbol: str
    kind: Kind = "spot"

    @property
    def exchange(self) -> Exchange:
        """The exchange module."""
        return EXCHANGES[self.exchange_name]

    @property
    def market(self) -> Market:
        """The market."""
        return market(self.symbol, self.kind)

    @property
    def capture(self) -> Capture:
        """The frames."""
        name = self.source.removeprefix("made/")
        return recorded(name) if name == self.source else made(name)

    def __str__(self) -> str:
        return self.source


SAMPLES = (
    Sample("binance", "binance-spot_2021-04-04", "BTC/USDT"),
    Sample("binance", "binance-futures_2021-07-22", "SUSHI/USDT", "perpetual"),
    Sample("binance", "binance-futures-BTCUSDT_2023-04-04", "BTC/USDT", "perpetual"),
    Sample("bitfinex", "bitfinex_2021-04-05", "ETH/JPY"),
    Sample("bitfinex", "made/bitfinex-candles", "ETH/JPY"),
    Sample("bitunix", "made/bitunix", "BTC/USDT", "perpetual"),
    Sample("bitunix", "made/bitunix-older", "BTC/USDT", "perpetual"),
    Sample("bybit", "bybit-v5-quotes_2025-06-13", "RAD/USDT", "perpetual"),
    Sample("bybit", "made/bybit-candles", "RAD/USDT", "perpetual"),
    Sample("kraken", "made/kraken", "BTC/USD"),
    Sample("okx", "okx_2022-05-13", "BTC/USDT"),
    Sample("okx", "made/okx-candles", "BTC/USDT"),
)
