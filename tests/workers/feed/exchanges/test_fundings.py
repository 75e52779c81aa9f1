"""The history of fundings: what is asked, and what is answered, after each exchange's documentation."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.feed.exchanges.markets import market
from tests.workers.feed.exchanges.test_fuzz import JUNK, changed, only_bad_frames, places
from workers.feed.exchanges.events import BadFrame, MarkPrice, PastFunding
from workers.feed.exchanges.port import Exchange, Request
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.through_ccxt.exchange import CcxtExchange

SWAP = market("BTC/USDT", "perpetual")
CCXT = CcxtExchange("fake", {"fetchFundingRateHistory": True}, {"1m": "1m"})
FIRST, SECOND = 1_570_608_000_000, 1_570_636_800_000
WANTED = {PastFunding(FIRST, Decimal("-0.0375")), PastFunding(SECOND, Decimal("0.0001"))}
ANSWERS: dict[str, Any] = {
    "binance": [
        {"symbol": "BTCUSDT", "fundingRate": "-0.0375", "fundingTime": FIRST, "markPrice": "34287.5"},
        {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": SECOND, "markPrice": "34287.5"},
    ],
    "bybit": {
        "retCode": 0,
        "result": {
            "category": "linear",
            "list": [
                {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": str(SECOND)},
                {"symbol": "BTCUSDT", "fundingRate": "-0.0375", "fundingRateTimestamp": str(FIRST)},
            ],
        },
    },
    "okx": {
        "code": "0",
        "data": [
            {"fundingRate": "9", "realizedRate": "0.0001", "fundingTime": str(SECOND)},
            {"fundingRate": "9", "realizedRate": "-0.0375", "fundingTime": str(FIRST)},
        ],
    },
    "bitunix": {
        "code": 0,
        "data": [
            {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": str(SECOND)},
            {"symbol": "BTCUSDT", "fundingRate": "-0.0375", "fundingTime": str(FIRST)},
        ],
        "msg": "Success",
    },
    "ccxt:fake": [
        {"symbol": "BTC/USDT:USDT", "fundingRate": "-0.0375", "timestamp": FIRST, "info": {}},
        {"symbol": "BTC/USDT:USDT", "fundingRate": "0.0001", "timestamp": SECOND, "info": {}},
    ],
}  # fmt: skip


def exchange(name: str) -> Exchange:
    return CCXT if name == CCXT.name else EXCHANGES[name]


@pytest.mark.req("F8")
@pytest.mark.parametrize("name", ANSWERS)
def test_past_fundings_are_read_in_whatever_order_they_come(name: str) -> None:
    """Fractions, and times of the fundings themselves."""
    assert WANTED == set(exchange(name).parse_fundings(SWAP, json.dumps(ANSWERS[name])))


@pytest.mark.req("F8")
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "binance",
            Request("/fapi/v1/fundingRate", {"symbol": "BTCUSDT", "startTime": "5", "limit": "1000"}),
        ),
        (
            "bybit",
            Request(
                "/v5/market/funding/history",
                {"category": "linear", "symbol": "BTCUSDT", "limit": "200", "startTime": "5", "endTime": "9"},
            ),
        ),
        (
            "okx",
            Request(
                "/api/v5/public/funding-rate-history",
                {"instId": "BTC-USDT-SWAP", "before": "4", "limit": "100"},
            ),
        ),
        (
            "bitunix",
            Request("/api/v1/futures/market/get_funding_rate_history", {"symbol": "BTCUSDT", "limit": "200"}),
        ),
        ("ccxt:fake", Request("/fundings", {"symbol": "BTC/USDT:USDT", "since": "5", "limit": "100"})),
    ],
)
def test_what_is_asked(name: str, wanted: Request) -> None:
    """From the first millisecond that is not told."""
    assert wanted == exchange(name).fundings(SWAP, 5, 9)


@pytest.mark.req("F8")
@pytest.mark.parametrize("name", ["binance", "bybit", "okx", "kraken", "bitfinex", "ccxt:fake"])
def test_where_there_are_none_nothing_is_asked(name: str) -> None:
    """Of spot markets never; of Bitfinex and Kraken not at all."""
    assert exchange(name).fundings(market("BTC/USDT"), 5, 9) is None
    if name in ("kraken", "bitfinex"):
        assert exchange(name).fundings(SWAP, 5, 9) is None
        with pytest.raises(BadFrame, match="unknown"):
            exchange(name).parse_fundings(SWAP, "{}")


@pytest.mark.req("F8")
def test_the_funding_rate_in_bitunix_mark_prices_is_no_estimate() -> None:
    """It is the last one, and in percent: -0.0000077 is sent as -0.00077. When the next is due counts."""
    data = {"ip": "100", "mp": "100", "fr": "-0.00077", "nft": "2026-11-20T16:00:00Z"}
    frame = json.dumps({"ch": "price", "symbol": "BTCUSDT", "ts": 1_795_190_000_000, "data": data})
    [mark] = EXCHANGES["bitunix"].session(SWAP).parse(frame)

    assert isinstance(mark, MarkPrice)
    assert (None, 1_795_190_400_000) == (mark.rate, mark.next_funding_ms)


@pytest.mark.req("F5")
@pytest.mark.parametrize("name", ANSWERS)
@given(data=st.data())
@settings(max_examples=15)
def test_mutated_answers(name: str, data: st.DataObject) -> None:
    """An answer with one thing replaced by junk raises nothing but BadFrame."""
    path = data.draw(st.sampled_from(places(ANSWERS[name])))
    broken = changed(ANSWERS[name], path, data.draw(JUNK | (st.just(...) if path else JUNK)))
    body = json.dumps(broken).encode("utf-8", "surrogatepass")
    only_bad_frames(lambda: exchange(name).parse_fundings(SWAP, body))
