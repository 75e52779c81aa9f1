"""The feed's section of the tree file."""

from __future__ import annotations

from typing import Any

import pytest

from workers.feed.config import FeedConfig, check
from workers.shared.config import decode
from workers.shared.exits import PersonMustLook

NIGHT = {"timezone": "UTC", "opens": "18:00:00", "closes": "06:00:00"}


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ({"file": "a.csv", "sped": 3}, ["feed.config.sped", "'speed'"]),
        ({"file": "a.csv", "speed": "fast"}, ["feed.config.speed", "'fast'", "'max'", "a number"]),
        ({"file": "a.csv", "speed": 0}, ["feed.config.speed", "found 0", "above 0"]),
        ({"file": "a.csv", "timeframe": "2m"}, ["feed.config.timeframe", "'2m'", "'15m'"]),
        ({"file": "a.csv", "instrument": {"tik": 1}}, ["feed.config.instrument.tik", "'tick'"]),
        ({"file": "a.csv", "instrument": {"tick": 0}}, ["feed.config.instrument", "above 0"]),
        ({"file": "a.csv", "instrument": {"tick": "NaN"}}, ["feed.config.instrument", "finite"]),
        ({"file": "a.csv", "instrument": {"contract": "option"}}, ["instrument.contract", "'linear'"]),
        ({}, ["feed.config.file", "a recording is needed"]),
        (
            {"source": "exchange", "exchange": "binanse"},
            ["feed.config.exchange", "binanse", "binance, bitfinex, bitunix, bybit, kraken, okx"],
        ),
        (
            {"source": "exchange", "exchange": "kraken", "market": "perpetual"},
            ["feed.config.market", "perpetual", "kraken has spot"],
        ),
        (
            {"source": "exchange", "ws_url": "ws://example.com"},
            ["feed.config.ws_url", "ws://example.com", "wss://", "this machine"],
        ),
        (
            {"source": "exchange", "rest_url": "ftp://127.0.0.1"},
            ["feed.config.rest_url", "ftp://127.0.0.1", "https://"],
        ),
        ({"source": "exchange", "symbol": "a b"}, ["feed.config.symbol", "a b", "BTC/USDT"]),
        ({"source": "exchange", "stale_after": "soon"}, ["feed.config.stale_after", "soon", "30s"]),
        ({"source": "exchange", "stale_after": 0}, ["feed.config.stale_after", "longer than 0s"]),
        ({"source": "exchange", "poll_interval": "1s"}, ["feed.config.poll_interval", "10s or longer"]),
        (
            {"source": "exchange", "candles": "trades", "poll_interval": "10s"},
            ["feed.config.candles", "'trades'", "hears no trades"],
        ),
        ({"file": "a.csv", "calendar": "XNYS"}, ["feed.config.calendar", "XNYS", "leave it out"]),
        ({"file": "a.csv", "hours": NIGHT}, ["feed.config.hours", "found 'UTC'", "a recording needs none"]),
        ({"source": "exchange", "hours": {**NIGHT, "days": []}}, ["feed.config.hours", "name a day"]),
        ({"source": "exchange", "form": "older"}, ["feed.config.form", "older", "bitunix"]),
        (
            {
                "source": "exchange",
                "hours": {"timezone": "Mars/Base", "opens": "09:30:00", "closes": "16:00:00"},
            },
            ["feed.config.hours", "Mars/Base", "America/New_York"],
        ),
    ],
)
def test_bad_key_is_one_sentence(config: dict[str, Any], parts: list[str]) -> None:
    """The sentence names child, section and key, what was found and what is allowed."""
    with pytest.raises(PersonMustLook) as caught:
        check(decode(config, FeedConfig, "feed"), "feed")

    assert [] == [part for part in parts if part not in str(caught.value)]
