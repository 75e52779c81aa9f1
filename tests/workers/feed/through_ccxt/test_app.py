"""What is told to whom names an exchange that ccxt has not, or cannot serve."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.workers.feed.through_ccxt.fake import World
from workers.feed import exchange_template, symbol_template
from workers.feed.__main__ import preflight
from workers.feed.config import FeedConfig, check
from workers.feed.through_ccxt.app import build
from workers.feed.through_ccxt.library import EXTRA_MISSING, Unknown, imported
from workers.shared.config import BadConfig, decode


def config(**more: Any) -> FeedConfig:
    return FeedConfig(**{"source": "exchange", "exchange": "ccxt:fake", **more})


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package ``ccxt`` with one exchange, whose import would be an error."""
    for name in ("__init__.py", "async_support/__init__.py", "async_support/fake.py"):
        path = tmp_path / "ccxt" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise AssertionError('a check must not import the library')")
    monkeypatch.delitem(sys.modules, "ccxt", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No such package can be found, installed or not."""
    monkeypatch.setitem(sys.modules, "ccxt", None)
    monkeypatch.setitem(sys.modules, "ccxt.pro", None)


def test_any_exchange_of_the_library_passes_the_check_without_an_import(package: Path) -> None:
    """A check takes no seconds."""
    check(config(), "feed")


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ({"exchange": "ccxt:fakke"}, ["feed.config.exchange", "ccxt has no exchange 'fakke'"]),
        ({"exchange": "ccxt:../x"}, ["feed.config.exchange", "ccxt:coinbase"]),
        ({"form": "older"}, ["feed.config.form", "bitunix"]),
        ({"candles": "trades", "poll_interval": "10s"}, ["feed.config.candles", "hears no trades"]),
    ],
)
def test_what_is_wrong_is_known_before_the_start(
    package: Path, more: dict[str, str], parts: list[str]
) -> None:
    """``supervisor check`` says the same sentence."""
    written = {"source": "exchange", "exchange": "ccxt:fake", **more}
    [problem] = preflight("feed", written, ".", ".")

    assert [] == [part for part in parts if part not in problem]


@pytest.mark.req("S12")
@pytest.mark.usefixtures("absent")
def test_a_missing_extra_is_a_sentence() -> None:
    """One that says what to install, before the start and at it."""
    with pytest.raises(BadConfig, match=r"feed.config.exchange.*pip install 'supervisor-tree\[ccxt\]'"):
        check(config(), "feed")
    with pytest.raises(Unknown, match=r"supervisor-tree\[ccxt\]"):
        imported()
    [problem] = preflight("feed", {"source": "exchange", "exchange": "ccxt:fake"}, ".", ".")
    assert EXTRA_MISSING in problem


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    ("more", "has", "sentence"),
    [
        ({"exchange": "ccxt:nowhere"}, {}, "exchange.*no exchange 'nowhere'"),
        ({}, {"fetchOHLCV": False}, "exchange.*no candles of it by REST"),
        (
            {},
            {"watchTrades": False, "watchBidsAsks": False, "watchTicker": False},
            'poll_interval.*write "10s"',
        ),
        ({"candles": "trades"}, {"watchTrades": False}, "candles.*cannot listen to its trades"),
    ],
)
def test_what_the_library_cannot_do_for_an_exchange_is_a_sentence(
    more: dict[str, str], has: dict[str, bool], sentence: str
) -> None:
    """Each with the key to change."""
    world = World()
    world.has |= has

    with pytest.raises(BadConfig, match=f"feed.config.{sentence}"):
        build(config(**more), "feed", lambda: world)


@pytest.mark.req("S12")
def test_a_timeframe_that_cannot_be_had_nor_made_is_a_sentence() -> None:
    """Nor made of minutes; what the exchange has is told."""
    world = World()
    world.timeframes = {"15m": "15m", "1h": "1h"}

    with pytest.raises(BadConfig, match=r"timeframe.*'5m'.*has 15m, 1h, and no 1m"):
        build(config(timeframe="5m"), "feed", lambda: world)
    exchange, _ = build(config(timeframe="1h"), "feed", lambda: world)
    assert "1h" in exchange.timeframes


@pytest.mark.req("F1")
def test_an_exchange_that_cannot_be_watched_is_polled_through_the_other_half_of_ccxt() -> None:
    """Found where ccxt keeps those without WebSocket; nothing is imported twice or connected to."""
    world = World()
    exchange, network = build(config(exchange="ccxt:deaf", poll_interval="10s"), "feed", lambda: world)

    assert "ccxt:deaf" == exchange.name
    network.close()


@pytest.mark.req("O5")
def test_init_writes_a_tree_that_the_check_takes(package: Path) -> None:
    """``supervisor init --exchange ccxt:fake --symbol ETH/EUR``."""
    text = symbol_template.apply(exchange_template.apply("", "ccxt:fake", Path()), "ETH/EUR", Path())
    [feed] = [child for child in tomllib.loads(text)["child"] if child["id"] == "feed"]

    assert () == preflight("feed", feed["config"], ".", ".")
    assert ("ccxt:fake", "ETH/EUR") == (feed["config"]["exchange"], feed["config"]["symbol"])
    assert "spot" == check(decode(feed["config"], FeedConfig, "feed"), "feed").market


@pytest.mark.req("O5")
def test_init_refuses_what_is_no_exchange_of_ccxts(package: Path) -> None:
    """With the same sentence as the check, before anything is written."""
    with pytest.raises(ValueError, match=r"--exchange ccxt:fakke: ccxt has no exchange 'fakke'"):
        exchange_template.apply("", "ccxt:fakke", Path())
