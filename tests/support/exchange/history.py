"""Answers about the past in each exchange's form, made up: flat candles at one price."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from tests.support.exchange.capture import MINUTE_MS

Form = Callable[[Sequence[int], str], object]
"""From open times, oldest first, and a price to the body of the answer."""


def _binance(opens: Sequence[int], p: str) -> object:
    return [[at, p, p, p, p, "1", at + MINUTE_MS - 1] for at in opens]


def _bitfinex(opens: Sequence[int], p: str) -> object:
    return [[at, float(p), float(p), float(p), float(p), 1] for at in opens]


def _bitunix(opens: Sequence[int], p: str) -> object:
    rows = [
        {"time": str(at), "open": p, "high": p, "low": p, "close": p, "baseVol": "1"}
        for at in reversed(opens)
    ]
    return {"code": 0, "data": rows, "msg": "Success"}


def _bybit(opens: Sequence[int], p: str) -> object:
    return {"retCode": 0, "result": {"list": [[str(at), p, p, p, p, "1", "1"] for at in reversed(opens)]}}


def _kraken(opens: Sequence[int], p: str) -> object:
    return {"error": [], "result": {"PAIR": [[at // 1000, p, p, p, p, p, "1", 1] for at in opens], "last": 0}}


def _okx(opens: Sequence[int], p: str) -> object:
    rows = [[str(at), p, p, p, p, "1", "1", "1", "1"] for at in reversed(opens)]
    return {"code": "0", "data": rows}


FORMS: Mapping[str, tuple[str, Form]] = {
    "binance": ("klines", _binance),
    "bitfinex": ("hist", _bitfinex),
    "bitunix": ("market/kline", _bitunix),
    "bybit": ("market/kline", _bybit),
    "kraken": ("OHLC", _kraken),
    "okx": ("market/candles", _okx),
}


def past(exchange: str, path: str, price: str, before_ms: int, count: int = 20) -> str | None:
    """Answer with ``count`` candles that end at ``before_ms``; None: not a question about candles."""
    ending, form = FORMS[exchange]
    if not path.endswith(ending):
        return None
    return json.dumps(form(range(before_ms - count * MINUTE_MS, before_ms, MINUTE_MS), price))
