"""The broker's section of a tree file."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from workers.broker.config import BrokerConfig, NotYet, refuse_later_features
from workers.shared.config import BadConfig, decode
from workers.shared.exits import PersonMustLook

D = Decimal


def read(**keys: Any) -> BrokerConfig:
    """Decode a section and refuse what comes later."""
    config = decode(keys, BrokerConfig, "broker")
    refuse_later_features(config, "broker")
    return config


def test_every_key_of_the_contract_is_known_at_its_default() -> None:
    """A file that spells the defaults out is accepted."""
    spelled = {
        "cash": "10000",
        "inputs": ["feed", "strategy"],
        "leverage": "1",
        "fees": {"maker": "0.0002", "taker": "0.0005"},
        "slippage_bps": 1,
        "entry_delay": "0s",
        "max_order_age": "5s",
        "breakers": "default",
        "on_shutdown": "keep",
        "backend": "paper",
        "mode": "paper",
    }
    config = read(**spelled)

    assert (config.cash, config.terms.taker, config.terms.slippage_bps) == (D(10000), D("0.0005"), D(1))


@pytest.mark.req("B8")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("backend", "exchange"),
        ("mode", "live"),
    ],
)
def test_what_comes_later_is_refused_in_words(key: str, value: object) -> None:
    """Never ignored in silence: exit code 78, and what to set instead."""
    with pytest.raises(NotYet, match=rf"broker\.config\.{key}.*later version.*set 'paper'") as refused:
        read(**{key: value})
    assert isinstance(refused.value, PersonMustLook)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cash", "0"),
        ("cash", "NaN"),
        ("fees", {"taker": "-0.1"}),
        ("fees", {"taker": "0.5"}),
        ("slippage_bps", "-1"),
        ("slippage_bps", 100000),
        ("inputs", ["feed"]),
        ("durability", "paper"),
        ("chash", "1"),
        ("backend", "binance"),
    ],
)
def test_nonsense_is_refused_with_the_key(key: str, value: object) -> None:
    """The sentence names the key of the file."""
    with pytest.raises(BadConfig, match=r"broker\.config"):
        read(**{key: value})
