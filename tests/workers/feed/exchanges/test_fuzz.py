"""No input whatever raises anything but BadFrame."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.feed.exchanges.markets import SAMPLES, Sample, market
from tests.workers.feed.exchanges.test_parsing import HISTORY
from workers.feed.exchanges.events import BadFrame
from workers.feed.exchanges.table import EXCHANGES

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**63, 2**70, -(2**70), 1e308, 0.1, "", "0", "-1", "NaN", "nan", "Infinity",
    "1e999999999", "9" * 400, "x", "\x00", "\ud800", [], {}, [[]], [None], {"a": None},
    "2023-99-99T99:99:99Z", "0001-01-01T00:00:00Z",
]  # fmt: skip
JUNK = st.recursive(
    st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=5) | st.dictionaries(st.text(max_size=6), children, max_size=5)
    ),
    max_leaves=12,
)


@cache
def frames(sample: Sample) -> tuple[str, ...]:
    """Return one frame of each shape."""
    shapes: dict[str, str] = {}
    for frame in sample.capture.frames:
        shapes.setdefault("".join(c for c in frame.text[:60] if not c.isdigit()), frame.text)
    return tuple(shapes.values())[:40]


def only_bad_frames(parse: Callable[[], object]) -> None:
    try:
        parse()
    except BadFrame as error:
        assert error.kind
        assert str(error)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside."""
    found = [path]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            found += places(inner, (*path, n))
    return found


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return ``value`` with what is at ``path`` replaced; by nothing when ``new`` is ...."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and new is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@pytest.mark.req("F5")
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
@given(data=st.data())
@settings(max_examples=25)
def test_mutated_frames(sample: Sample, data: st.DataObject) -> None:
    """A real frame with one thing replaced by junk, or taken away; the session survives it."""
    session = sample.exchange.session(sample.market)
    for frame in frames(sample):
        only_bad_frames(lambda frame=frame: session.parse(frame))  # type: ignore[misc]
    text = data.draw(st.sampled_from(frames(sample)))
    value = json.loads(text) if text[0] in "[{" else text
    path = data.draw(st.sampled_from(places(value)))
    broken = changed(value, path, data.draw(JUNK | (st.just(...) if path else JUNK)))
    try:
        body = json.dumps(broken).encode("utf-8", "surrogatepass")
    except (ValueError, TypeError):
        return
    only_bad_frames(lambda: session.parse(body))
    only_bad_frames(lambda: session.parse(text))


@pytest.mark.req("F5")
@pytest.mark.parametrize("name", sorted(EXCHANGES))
@given(raw=st.binary(max_size=80) | st.text(max_size=80) | JUNK.map(lambda it: json.dumps(it, default=str)))
@settings(max_examples=50)
def test_anything_at_all(name: str, raw: bytes | str) -> None:
    """Bytes, text, JSON of any shape, to every parser of an exchange."""
    exchange = EXCHANGES[name]
    wanted = market("BTC/USDT", exchange.kinds[0])
    only_bad_frames(lambda: exchange.session(wanted).parse(raw))
    only_bad_frames(lambda: exchange.parse_history(wanted, raw))
    only_bad_frames(lambda: exchange.parse_instrument(wanted, raw))
    only_bad_frames(lambda: exchange.parse_clock(raw))
    only_bad_frames(lambda: exchange.parse_fundings(wanted, raw))


@pytest.mark.req("F5")
@pytest.mark.parametrize("name", sorted(EXCHANGES))
@given(data=st.data())
@settings(max_examples=25)
def test_mutated_histories(name: str, data: st.DataObject) -> None:
    """An answer with one thing replaced by junk."""
    exchange, value = EXCHANGES[name], json.loads(HISTORY[name])
    path = data.draw(st.sampled_from(places(value)))
    broken = changed(value, path, data.draw(JUNK | (st.just(...) if path else JUNK)))
    body = json.dumps(broken).encode("utf-8", "surrogatepass")
    only_bad_frames(lambda: exchange.parse_history(market("BTC/USDT", exchange.kinds[0]), body))
    only_bad_frames(lambda: exchange.parse_instrument(market("BTC/USDT", exchange.kinds[0]), body))


@pytest.mark.req("F5")
@pytest.mark.parametrize("name", sorted(EXCHANGES))
@pytest.mark.parametrize(
    "raw", ["[" * 100_000, '{"a":' * 100_000, "1" * 1_000_000, '{"e":1e999999999}', "\ufeff{}", ""]
)
def test_deep_long_and_huge(name: str, raw: str) -> None:
    """What breaks naive parsers: depth, length, exponents."""
    exchange = EXCHANGES[name]
    wanted = market("BTC/USDT", exchange.kinds[0])
    only_bad_frames(lambda: exchange.session(wanted).parse(raw))
    only_bad_frames(lambda: exchange.parse_history(wanted, raw))
    only_bad_frames(lambda: exchange.parse_instrument(wanted, raw))
