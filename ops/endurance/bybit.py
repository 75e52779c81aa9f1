"""The simulated exchange in Bybit's language, whose frames have room for two candles. Pure.

https://bybit-exchange.github.io/docs/v5/websocket/public/kline and the pages beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from workers.feed.simulated.exchange import SimulatedExchange

INTERVAL: Final = "1"
LENGTH_MS: Final = 60_000
SUBSCRIBED: Final = '{"success":true,"ret_msg":"","op":"subscribe"}'
PONG: Final = '{"success":true,"ret_msg":"pong","op":"ping"}'


def translated(text: str) -> str:
    """Return what Bybit sends where Binance sends ``text``: a candle, a best quote or a trade."""
    frame = json.loads(text)
    topic, data = _TOPICS[frame["e"]](frame)
    told = {"topic": f"{topic}.{frame['s']}", "type": "snapshot", "ts": frame["E"], "data": data}
    return json.dumps(told, separators=(",", ":"))


def reply(text: str) -> str:
    """Answer a ping, or a subscription."""
    return PONG if '"ping"' in text else SUBSCRIBED


def answer(exchange: SimulatedExchange, path: str, query: Mapping[str, str], now_ms: int) -> str | None:
    """Return the body of an HTTP answer; None for what it does not know."""
    if path.endswith("/time"):
        return json.dumps({"retCode": 0, "result": {}, "time": now_ms})
    if path.endswith("/kline"):
        asked = {"startTime": query["start"], "limit": query["limit"]}
        return _result(json.loads(exchange.answer("/klines", asked, now_ms) or "[]")[::-1])
    if path.endswith("/instruments-info"):
        grids = {"priceFilter": {"tickSize": "0.01"}}
        lot = {"basePrecision": "0.0001", "minOrderQty": "0.0001", "minOrderAmt": "5"}
        return _result([{"symbol": query["symbol"], **grids, "lotSizeFilter": lot}])
    return None


def _result(rows: list[Any]) -> str:
    return json.dumps({"retCode": 0, "result": {"list": rows}})


def _candle(frame: Mapping[str, Any]) -> tuple[str, object]:
    k = frame["k"]
    row = {
        "start": k["t"], "end": k["t"] + LENGTH_MS - 1, "interval": INTERVAL, "open": k["o"], "high": k["h"],
        "low": k["l"], "close": k["c"], "volume": k["v"], "confirm": k["x"], "timestamp": frame["E"],
    }  # fmt: skip
    return f"kline.{INTERVAL}", [row]


def _book(frame: Mapping[str, Any]) -> tuple[str, object]:
    return "orderbook.1", {"s": frame["s"], "b": [[frame["b"], frame["B"]]], "a": [[frame["a"], frame["A"]]]}


def _trade(frame: Mapping[str, Any]) -> tuple[str, object]:
    side = "Sell" if frame["m"] else "Buy"
    row = {"T": frame["T"], "s": frame["s"], "S": side, "v": frame["q"], "p": frame["p"], "BT": False}
    return "publicTrade", [{**row, "i": f"trade-{frame['t']}"}]


_TOPICS: Final = {"kline": _candle, "bookTicker": _book, "trade": _trade}
