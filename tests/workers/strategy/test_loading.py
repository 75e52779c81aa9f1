"""From a name in the tree file to a strategy."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.shared.config import decode
from workers.shared.exits import PersonMustLook
from workers.strategy.choice import choose
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

class NoSuper(Strategy):
    def __init__(self, parameters):
        pass

class OtherArguments(Strategy):
    def on_candle(self, candle):
        return []

class OtherParameters(Strategy):
    Parameters = dict

class Endless(Strategy):
    warmup = "all of them"

class Greedy(Strategy):
    warmup = 10**6

class Fancy(Strategy):
    version = "2"

class Wordy(Strategy):
    def __init__(self, parameters):
        raise OSError("no\\nmodel \\ud800" + " file" * 1000)

class Weary(Strategy):
    @property
    def warmup(self):
        return self.length

class Rude(Strategy):
    def __init__(self, parameters):
        raise KeyboardInterrupt("no")

NotAClass = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "typo.py").write_text("x = 1\ny = = 2\n")
    (tmp_path / "quits.py").write_text("raise SystemExit(3)")
    (tmp_path / "rude.py").write_text("raise KeyboardInterrupt")
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
        ("mine.py:Wordy", "its constructor raised OSError: no model \\ud800 file file"),
        ("mine.py:Weary", "its warmup raised AttributeError: 'Weary' object has no attribute 'length'"),
        ("mine.py:NoSuper", "does not call super().__init__(parameters)"),
        ("mine.py:OtherArguments", "on_candle is called as on_candle(self, context, candle): too many"),
        ("mine.py:OtherParameters", "its Parameters are no subclass of StrategyParameters"),
        ("mine.py:Endless", "its warmup is 'all of them'; allowed: a number of candles up to 100000"),
        ("mine.py:Greedy", "its warmup is 1000000; allowed: a number of candles up to 100000"),
        ("mine.py:Fancy", "its version is '2'; allowed: a whole number"),
        ("mine.py:Rude", "its constructor raised KeyboardInterrupt: no"),
        ("rude.py:Mine", "importing it raised KeyboardInterrupt; correct the strategy, or this key"),
        ("typo.py:Mine", "importing it raised SyntaxError: invalid syntax (typo.py, line 2)"),
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
    assert "\n" not in str(caught.value)
    assert len(str(caught.value).encode()) < 1000


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"interval": "often"}, "interval must be a duration"),
        ({"interval": -1}, "interval must be a duration"),
        ({"interval": 0.0001}, "interval must be 1ms or longer, or 0s for none, found 0.0001"),
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


@pytest.mark.req("T8")
@pytest.mark.parametrize(
    ("said", "interval_ms"), [(True, 5000), (False, 0), ("250ms", 250), (1, 1000), (2.5, 2500), ("0s", 0)]
)
def test_the_interval_is_five_seconds_when_only_asked_for(said: object, interval_ms: int) -> None:
    """Also as the environment says it: SUPERVISOR__STRATEGY__INTERVAL=1 is a number."""
    assert interval_ms == decode({"interval": said}, StrategyConfig, "strategy").interval_ms


def test_signals_are_kept_for_a_year_unless_it_is_said_otherwise() -> None:
    """In milliseconds, as the data counts."""
    assert 365 * 86_400_000 == decode({}, StrategyConfig, "strategy").keep_signals_ms
    assert 1500 == decode({"keep_signals_for": "1.5s"}, StrategyConfig, "strategy").keep_signals_ms


def test_a_helper_beside_the_file_can_be_imported(folder: Path) -> None:
    """The folder of the file is searched last."""
    (folder / "helper_of_mine.py").write_text("LENGTH = 9")
    text = OWN.replace(
        "return self.parameters.lookback", "import helper_of_mine; return helper_of_mine.LENGTH"
    )
    (folder / "mine.py").write_text(text)

    assert 9 == load("mine.py:Mine", {}, child="strategy", folder=folder).warmup


@pytest.mark.req("T6")
def test_fills_need_the_broker(folder: Path) -> None:
    """A strategy that hears fills and is not told of any is a mistake in the tree file."""
    (folder / "mine.py").write_text(
        OWN + "    \nclass Hears(Mine):\n    def on_fill(self, context, fill): pass\n"
    )
    config = decode({"strategy": "mine.py:Hears"}, StrategyConfig, "strategy")

    with pytest.raises(PersonMustLook, match="so the broker must be named too"):
        choose(config, child="strategy", folder=folder)
