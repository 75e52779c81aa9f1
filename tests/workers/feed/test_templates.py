"""``supervisor init --exchange NAME --symbol S``: the texts that the templates make."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from workers.feed import exchange_template, symbol_template
from workers.feed.config import FeedConfig, check
from workers.feed.exchanges.table import EXCHANGES
from workers.shared.config import decode

HEAD = "# comments of the supervisor\n\n[supervisor]\nstrategy = 'one_for_one'\n"


@pytest.mark.req("O5")
@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_the_tree_is_one_that_the_feed_accepts(name: str) -> None:
    """Comments stay at the head, mode is dry-run, and the feed's section passes its own check."""
    text = symbol_template.apply(exchange_template.apply(HEAD, name, Path()), "ETH/EUR", Path())
    tree = tomllib.loads(text)
    [feed] = [child for child in tree["child"] if child["id"] == "feed"]
    config = check(decode(feed["config"], FeedConfig, "feed"), "feed")

    assert text.startswith("# comments of the supervisor\n")
    assert "dry-run" == tree["defaults"]["config"]["mode"]
    assert (name, "ETH/EUR") == (config.exchange, config.symbol)
    assert config.market == EXCHANGES[name].kinds[0]


@pytest.mark.req("N1")
def test_the_notifier_of_the_tree_gives_way_to_the_others() -> None:
    """On few cores it must not take the processor from trading."""
    tree = tomllib.loads(exchange_template.apply(HEAD, "kraken", Path()))
    niceness = {child["id"]: child.get("limits", {}).get("nice", 0) for child in tree["child"]}

    assert niceness == {"notifier": 10, "broker": 0, "strategy": 0, "feed": 0}


def test_what_is_no_exchange_or_no_symbol_is_a_sentence() -> None:
    """Both say what is allowed."""
    with pytest.raises(ValueError, match=r"krakn.*allowed: binance, bitfinex"):
        exchange_template.apply(HEAD, "krakn", Path())
    with pytest.raises(ValueError, match="BTC/USDT"):
        symbol_template.apply('symbol = "X"', "a b", Path())
    with pytest.raises(ValueError, match="no feed"):
        symbol_template.apply(HEAD, "BTC/USDT", Path())
