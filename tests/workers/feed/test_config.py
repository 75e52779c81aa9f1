"""The feed's section of the tree file."""

from __future__ import annotations

from typing import Any

import pytest

from workers.feed.config import FeedConfig, check
from workers.shared.config import decode
from workers.shared.exits import PersonMustLook


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
        ({"source": "exchange"}, ["feed.config.source", "later version", '"recorded"']),
        ({"source": "simulated"}, ["feed.config.source", "later version"]),
    ],
)
def test_bad_key_is_one_sentence(config: dict[str, Any], parts: list[str]) -> None:
    """The sentence names child, section and key, what was found and what is allowed."""
    with pytest.raises(PersonMustLook) as caught:
        check(decode(config, FeedConfig, "feed"), "feed")

    assert [] == [part for part in parts if part not in str(caught.value)]
