"""Frames that nobody has foreseen, between those that are understood and around them."""

from __future__ import annotations

import contextlib
from itertools import cycle

import pytest

from tests.workers.feed.exchanges.markets import SAMPLES, Sample
from workers.feed.exchanges.events import BadFrame

BETWEEN: tuple[str | bytes, ...] = (
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    b"\xff",
    *r"""
""
{}
[]
[[]]
null
ping
pong
{"ping":1}
{"op":"pong"}
{"method":"pong"}
{"event":"ping"}
{"channel":"heartbeat"}
[7,"hb"]
{"event":"info","version":2,"platform":{"status":1}}
{"event":"conf","status":"OK"}
{"event":"unsubscribed","chanId":1}
{"result":null,"id":9}
{"success":true,"ret_msg":"","op":"subscribe"}
{"success":false,"ret_msg":"too many","op":"subscribe"}
{"code":-1003,"msg":"Too many requests"}
{"error":{"code":3,"msg":"rate"},"id":1}
{"error":"Exceeded msg rate"}
{"event":"error","code":"50011","msg":"Rate limit reached"}
{"channel":"status","type":"update","data":[{"system":"online"}]}
{"channel":"ohlc","type":"snapshot","data":[]}
{"topic":"kline.1.RADUSDT","data":[]}
{"topic":"somethingNew.RADUSDT","data":{}}
{"e":"somethingNew","s":"BTCUSDT"}
{"stream":"x","data":{"e":"somethingNew"}}
{"arg":{"channel":"somethingNew","instId":"BTC-USDT"},"data":[{}]}
{"ch":"somethingNew","symbol":"BTCUSDT","ts":1,"data":null}
""".splitlines(),
)
FRAMES = 300


@pytest.mark.req("F5")
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_whatever_comes_between_two_frames_changes_nothing_of_what_they_say(sample: Sample) -> None:
    """Heartbeats, refusals, late acknowledgements, compressed bytes, messages that do not exist yet."""
    plain, mixed = (sample.exchange.session(sample.market) for _ in range(2))
    for frame, stranger in zip(sample.capture.frames[:FRAMES], cycle(BETWEEN), strict=False):
        with contextlib.suppress(BadFrame):
            mixed.parse(stranger)
        assert plain.parse(frame.text) == mixed.parse(frame.text.encode())


@pytest.mark.req("F5")
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_fields_that_nobody_knows_yet_are_no_fault(sample: Sample) -> None:
    """An exchange may add what it likes to any object."""
    plain, widened = (sample.exchange.session(sample.market) for _ in range(2))
    for frame in sample.capture.frames[:FRAMES]:
        assert plain.parse(frame.text) == widened.parse(wider(frame.text))


def wider(text: str) -> str:
    """Return the same with a field more in each object."""
    more = '"somethingNew":{"a":[1,null,"x"]}'
    return text.replace("{", "{" + more + ",").replace(more + ",}", more + "}")
