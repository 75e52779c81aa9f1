"""A child's configuration: a checked struct or one sentence."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from workers.shared.config import BadConfig, WorkerConfig, decode, finite_above_zero


class Inner(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    maker: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        finite_above_zero("maker", self.maker + 1)


class Outer(WorkerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    fees: Inner = Inner()
    inputs: tuple[str, ...] = ("feed",)
    count: Annotated[int, Meta(ge=1)] = 1
    either: Inner | None = None


def sentence(config: dict[str, Any]) -> str:
    with pytest.raises(BadConfig) as caught:
        decode(config, Outer, "broker")
    return str(caught.value)


def test_defaults_and_values() -> None:
    """What is absent has its default; amounts become Decimal from text, whole numbers and fractions alike."""
    assert Outer() == decode({}, Outer, "broker")
    assert Decimal("0.0002") == decode({"fees": {"maker": 0.0002}}, Outer, "broker").fees.maker
    assert Decimal("0.10") == decode({"fees": {"maker": "0.10"}}, Outer, "broker").fees.maker


def test_every_worker_accepts_mode_and_log_level() -> None:
    """They come from [defaults.config] and reach all."""
    found = decode({"mode": "paper", "log_level": "DEBUG"}, WorkerConfig, "any")

    assert ("paper", "DEBUG") == (found.mode, found.log_level)


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ({"moed": "paper"}, ["broker.config.moed", "did you mean 'mode'?", "allowed: count, either, fees"]),
        ({"zzz": 1}, ["broker.config.zzz", "no such key", "allowed:"]),
        ({"fees": {"takr": 1}}, ["broker.config.fees.takr", "allowed: maker"]),
        ({"either": {"makr": 1}}, ["broker.config.either.makr", "'maker'"]),
        ({"mode": "real"}, ["broker.config.mode", "'real'", "'dry-run', 'live', 'paper'"]),
        ({"mode": 3}, ["broker.config.mode: found 3", "'paper'"]),
        ({"inputs": ["feed", 7]}, ["broker.config.inputs[1]: found 7", "expected `str`"]),
        ({"inputs": "feed"}, ["broker.config.inputs: found 'feed'", "expected `array`"]),
        ({"count": 0}, ["broker.config.count: found 0", ">= 1"]),
        ({"fees": {"maker": "abc"}}, ["broker.config.fees.maker: found 'abc'", "decimal"]),
        ({"fees": {"maker": "NaN"}}, ["broker.config.fees: found {'maker': 'NaN'}", "finite"]),
        ({"fees": {"maker": True}}, ["broker.config.fees.maker: found True"]),
    ],
)
def test_mistake_is_one_sentence(config: dict[str, Any], parts: list[str]) -> None:
    """It names child and key, what was found, what is allowed, and the nearest known key."""
    told = sentence(config)

    assert [] == [part for part in parts if part not in told]
    assert "\n" not in told


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["mode", "fees", "inputs", "count", "either", "log_level", "x.y", "a`b", ""])


@given(st.dictionaries(KEYS, PLAIN, max_size=4))
def test_any_tree_is_a_struct_or_a_sentence(config: dict[str, Any]) -> None:
    """Whatever TOML can hold, nothing but BadConfig is raised, and it names the child."""
    try:
        decode(config, Outer, "broker")
    except BadConfig as error:
        assert str(error).startswith("broker.config")
