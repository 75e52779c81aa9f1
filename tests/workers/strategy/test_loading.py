"""From a name in the tree file to a strategy."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.shared.config import decode
from workers.shared.exits import PersonMustLook
from workers.strategy.config import StrategyConfig
from workers.strategy.loading import load
from workers.strategy.ma_cross import MaCross

OWN = """
from typing import Annotated
from msgspec import Meta
from workers.strategy.api import Strategy, StrategyParameters

class Parameters(StrategyParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lookback: Annotated[int, Meta(ge=2, le=500)] = 20

class Mine(Strategy):
    Parameters = Parameters

    @property
    def warmup(self):
        return self.parameters.lookback

class Picky(Strategy):
    def __init__(self, parameters):
        raise OSError("no model file")

NotAClass = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "quits.py").write_text("raise SystemExit(3)")
    return tmp_path


def test_shipped_name() -> None:
    """The shipped strategies have short names."""
    found = load("ma_cross", {"slow": 30}, child="strategy", folder=Path("/nowhere"))

    assert isinstance(found, MaCross)
    assert 30 == found.warmup


@pytest.mark.req("T6")
def test_class_in_a_file_beside_the_tree_file(folder: Path) -> None:
    """A user's own class is found in the user's own file, with its own checked parameters."""
    assert 7 == load("mine.py:Mine", {"lookback": 7}, child="strategy", folder=folder).warmup
    with pytest.raises(PersonMustLook, match=r"strategy\.config\.parameters\.lookback"):
        load("mine.py:Mine", {"lookback": 1}, child="strategy", folder=folder)


def test_edited_file_is_read_again(folder: Path) -> None:
    """A restart picks up an edit."""
    load("mine.py:Mine", {}, child="strategy", folder=folder)
    (folder / "mine.py").write_text(OWN.replace("= 20", "= 21"))

    assert 21 == load("mine.py:Mine", {}, child="strategy", folder=folder).warmup


@pytest.mark.req("T6")
def test_class_in_a_package() -> None:
    """A class of an installed package is named by its module."""
    found = load("workers.strategy.ma_cross:MaCross", {}, child="strategy", folder=Path("/nowhere"))

    assert isinstance(found, MaCross)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ma_crss", 'allowed: ma_cross, rsi_reversal, donchian, remote, "file.py:Class"'),
        ("none.py:Mine", "no such file"),
        ("mine.py:Theirs", "no such class"),
        ("mine.py:NotAClass", "not a subclass"),
        ("mine.py:", "allowed"),
        (":Mine", "allowed"),
        ("broken.py:Mine", "importing it raised ZeroDivisionError"),
        ("quits.py:Mine", "importing it raised SystemExit"),
        ("mine.py:Picky", "its constructor raised OSError: no model file"),
        ("no.such.package:Mine", "No module named"),
        ("workers.strategy.ma_cross:Nothing", "no such class"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(folder: Path, name: str, told: str) -> None:
    """The sentence names the key, what was found and what is wrong with it."""
    with pytest.raises(PersonMustLook) as caught:
        load(name, {}, child="strategy", folder=folder)

    assert f"strategy.config.strategy: found {name!r}" in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"interval": "often"}, "interval must be a duration"),
        ({"error_budget": -1}, "strategy.config.error_budget"),
        ({"keep_signals_for": "ever"}, "keep_signals_for must be a duration"),
        ({"inputs": ["feed", "feed"]}, "twice"),
        ({"inputs": []}, "strategy.config.inputs"),
        ({"min_confidence": "1.5"}, "from 0 to 1"),
        ({"mode": "papr"}, "strategy.config.mode: found 'papr'; allowed: 'dry-run'"),
    ],
)
def test_a_section_that_cannot_be_obeyed_is_refused(config: dict[str, object], told: str) -> None:
    """The sentence names the key and what is wrong with it."""
    with pytest.raises(PersonMustLook) as caught:
        decode(config, StrategyConfig, "strategy")

    assert told in str(caught.value)
