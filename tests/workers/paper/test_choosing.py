"""``paper champion``, ``paper check-strategy``, and what ``supervisor init --strategy`` writes."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from signal import SIGINT
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from supervisor.cli import cli as supervisor_cli
from tests.support.deadline import DEADLINE_S
from workers.paper import _strategy_template, cli
from workers.strategy.loading import complete, load

DEMO: Final = Path(__file__).parents[3] / "workers/demo"
BUNDLED: Final = DEMO / "btc-perp_1m_2022-01-09.csv.gz"
FORM: Final = ("--set", "feed.time=close", "--set", "feed.volume=quote")

HEAD: Final = """
import random
from workers.strategy.api import Intent, Strategy

class Mine(Strategy):
    def __init__(self, parameters):
        super().__init__(parameters)
        self.count = 0

"""
REPAINTS: Final = """
    def on_candle(self, context, candle):
        self.count += 1
        return [Intent("enter_long")] if self.count % 9 == 0 else []

    def snapshot(self):
        return {"count": self.count}

    def restore(self, snapshot):
        self.count = snapshot["count"]
"""
FORGETS: Final = """
    def on_candle(self, context, candle):
        rising = candle.close > context.history[-2].close
        self.count = self.count + 1 if rising else 0
        return [Intent("enter_long")] if self.count == 4 else []
"""
GUESSES: Final = """
    def on_candle(self, context, candle):
        return [Intent("enter_long")] if random.random() < 0.5 else []
"""
FAILS: Final = """
    def on_candle(self, context, candle):
        return [] if candle.open_ms % 600000 else 1 / 0
"""
IN_FRONT: Final = (
    "import signal, workers.paper; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " workers.paper.main()"
)
ENDLESS: Final = """
    def on_candle(self, context, candle):
        print("asked", flush=True)
        while True:
            pass
"""


def run(*arguments: str) -> Result:
    """Run ``paper`` in this process."""
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def create(file: str, *more: str, strategy: str = "ma_cross") -> Result:
    """Choose a champion."""
    words = ("--strategy", strategy, "--symbol", "BTC/USDT", "--timeframe", "1m", "--provenance", "test")
    return run("champion", "create", file, *words, *more)


@pytest.mark.req("T4")
@pytest.mark.parametrize("file", ["c.json", "c.toml"])
def test_a_champion_is_created_shown_and_verified(here: Path, file: str) -> None:
    """With all parameters written out; an edit of one digit is found."""
    done = create(file, "--set", "fast=7", "--set", "size=0.1")
    assert done.exit_code == 0, done.stderr
    assert run("champion", "verify", file).exit_code == 0
    shown = json.loads(run("champion", "show", file, "--json").stdout)
    assert {"fast": 7, "slow": 20, "size": "0.1"} == shown["parameters"]
    assert "test" in run("champion", "show", file).stdout

    (here / file).write_text((here / file).read_text().replace("20", "21", 1))
    found = run("champion", "verify", file)
    assert (1, "") == (found.exit_code, found.stdout)
    assert "it was edited" in found.stderr


@pytest.mark.req("T4")
def test_a_champion_of_a_users_file_is_found_from_anywhere(here: Path) -> None:
    """Its path is kept relative to the champion; another source is found out."""
    (here / "mine.py").write_text(HEAD + FORGETS)
    (here / "chosen").mkdir()
    assert create("chosen/c.json", strategy="mine.py:Mine").exit_code == 0
    assert "../mine.py:Mine" == json.loads((here / "chosen/c.json").read_text())["strategy"]

    (here / "mine.py").write_text(HEAD + REPAINTS)
    assert "the source of ../mine.py:Mine is" in run("champion", "verify", "chosen/c.json").stderr


def test_a_champion_is_sealed_with_the_helpers_of_its_strategy(here: Path) -> None:
    """They are shown; an edit of one is found out."""
    (here / "aid_of_mine.py").write_text("LENGTH = 3\n")
    (here / "mine.py").write_text(f"from aid_of_mine import LENGTH\n{HEAD}{FORGETS}")
    assert create("c.toml", strategy="mine.py:Mine").exit_code == 0
    assert {"aid_of_mine.py"} == set(
        json.loads(run("champion", "show", "c.toml", "--json").stdout)["helpers"]
    )
    assert run("champion", "verify", "c.toml").exit_code == 0

    (here / "aid_of_mine.py").write_text("LENGTH = 4\n")
    assert (
        "aid_of_mine.py, beside the source of mine.py:Mine, is" in run("champion", "verify", "c.toml").stderr
    )


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("c.json", "--set", "fats=7"), 2, "did you mean 'fast'?"),
        (("c.json", "--set", "fast"), 2, "write key=value"),
        (("c.yaml",), 2, "name a .json or a .toml file"),
        (("there.json",), 1, "exists already"),
        (("no/such/c.json",), 1, "cannot write"),
        (("c.json", "--provenance", "fallback"), 1, "it is a fallback"),
    ],
)
def test_what_is_no_champion_is_refused(here: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    """One sentence, and nothing written."""
    (here / "there.json").write_text("{}")
    result = create(*arguments)

    assert (code, "") == (result.exit_code, result.stdout)
    assert told in result.stderr
    assert ["there.json"] == [it.name for it in here.iterdir()]
    assert "{}" == (here / "there.json").read_text()


def checked(*arguments: str) -> Result:
    """Check a strategy on real minutes."""
    return run("check-strategy", *arguments, "--data", str(BUNDLED), *FORM)


@pytest.mark.req("T6")
def test_ctrl_c_ends_an_endless_strategy(here: Path) -> None:
    """One that never answers would take each Ctrl+C for an exception of its own, and go on."""
    (here / "mine.py").write_text(HEAD + ENDLESS)
    words = ["check-strategy", "mine.py", "--data", str(BUNDLED), *FORM]
    with subprocess.Popen([sys.executable, "-c", IN_FRONT, *words], stdout=subprocess.PIPE) as command:
        try:
            assert command.stdout is not None
            assert b"asked\n" == command.stdout.readline()
            command.send_signal(SIGINT)

            assert -SIGINT == command.wait(DEADLINE_S)
        finally:
            command.kill()


@pytest.mark.req("T6")
@pytest.mark.parametrize("name", ["ma_cross", "rsi_reversal", "donchian"])
def test_the_shipped_strategies_are_sound(here: Path, name: str) -> None:
    """The same intents in all ways, on four days of minutes."""
    result = checked(name, "--json")
    told = json.loads(result.stdout)

    assert (0, True, 5760, 50) == (result.exit_code, told["sound"], told["candles"], told["restarts"])
    assert told["intents"] > 100


@pytest.mark.req("T6")
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (REPAINTS, "with 2 candles less before it: differs at candle 2022-01-09T"),
        (FORGETS, "restarts: differs at candle 2022-01-"),
        (GUESSES, "the same again: differs at candle 2022-01-09T"),
        (FAILS, "ZeroDivisionError"),
    ],
)
def test_what_is_not_sound_is_shown_with_its_candle(here: Path, code: str, told: str) -> None:
    """Repainting, forgetting, guessing and raising: exit 1, and where."""
    (here / "mine.py").write_text(HEAD + code)
    result = checked("mine.py")

    assert 1 == result.exit_code
    assert told in result.stdout
    assert "the same intents" not in result.stdout


@pytest.mark.req("T6")
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return None", "Mine.snapshot: TypeError: a dict with strings as keys is needed, found None"),
        ("raise SystemExit(0)", "Mine.snapshot: SystemExit: 0"),
        (
            "return {'count': 1}\n\n    def restore(self, snapshot):\n        self.count = snapshot['cuont']",
            "take its",
        ),
    ],
)
def test_what_a_process_could_not_go_on_from_is_one_sentence(here: Path, body: str, told: str) -> None:
    """Exit 1: it would end the process with 78."""
    (here / "mine.py").write_text(f"{HEAD}{FORGETS}\n    def snapshot(self):\n        {body}\n")
    result = checked("mine.py")

    assert (1, "") == (result.exit_code, result.stdout)
    assert told in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("none.py",), "no such file"),
        (("two.py",), "name the class, two.py:Class; strategies in this file: A, B"),
        (("ma_cross", "--set", "strategy.parameters.slow=2"), "fast must be below slow"),
        (
            ("ma_cross", "--set", "strategy.parameters.slow=1000", "--set", "strategy.parameters.fast=999"),
            None,
        ),
        (("rsi_reversal", "--set", "strategy.parameters.length=200"), "times the warm-up of 2000 is needed"),
        (("ma_cross", "--set", "feed.tme=close"), "did you mean 'time'?"),
    ],
)
def test_what_cannot_be_checked_is_one_sentence(
    here: Path, arguments: tuple[str, ...], told: str | None
) -> None:
    """Exit 2 and what to write instead."""
    (here / "two.py").write_text(HEAD.replace("Mine", "A") + FORGETS + HEAD.replace("Mine", "B") + FORGETS)
    result = checked(*arguments)

    assert (0 if told is None else 2) == result.exit_code
    assert told is None or told in result.stderr


@pytest.mark.req("T6")
@pytest.mark.req("O5")
def test_init_writes_the_example_and_a_tree_that_runs_it(here: Path) -> None:
    """A file that does not exist is made; the tree names its class by the tree file's folder."""
    result = CliRunner().invoke(supervisor_cli, ["init", "trees/mine.toml", "--strategy", "my_strategy.py"])
    assert result.exit_code == 1  # there is no folder trees
    (here / "trees").mkdir()
    result = CliRunner().invoke(supervisor_cli, ["init", "trees/mine.toml", "--strategy", "my_strategy.py"])
    assert result.exit_code == 0, result.output

    tree = tomllib.loads((here / "trees/mine.toml").read_text())
    config = next(child["config"] for child in tree["child"] if child["id"] == "strategy")
    assert ("../my_strategy.py:Example", {"size": "0.01"}) == (config["strategy"], config["parameters"])
    found = load(config["strategy"], config["parameters"], child="strategy", folder=here / "trees")
    assert 31 == found.warmup
    assert checked("my_strategy.py").exit_code == 0
    assert "supervisor init" not in (here / "my_strategy.py").read_text()


def init(text: str, named: str, folder: Path) -> dict[str, Any]:
    """Apply the template to the demo's tree."""
    tree = tomllib.loads(_strategy_template.apply(text, named, folder))
    return dict(next(child["config"] for child in tree["child"] if child["id"] == "strategy"))


def test_init_takes_a_file_that_is_there(here: Path) -> None:
    """As it is, with its one class, or the one that is named."""
    text = (DEMO / "demo.toml").read_text()
    (here / "mine.py").write_text(HEAD + FORGETS)

    assert "mine.py:Mine" == init(text, "mine.py", here)["strategy"]
    assert "mine.py:Other" == init(text, "mine.py:Other", here)["strategy"]
    assert HEAD + FORGETS == (here / "mine.py").read_text()
    assert "mine.py:Mine" == complete("mine.py", folder=here)


@pytest.mark.parametrize(
    ("code", "named", "told"),
    [
        ("class X: pass", "mine.py", "strategies found: none"),
        ("def f(:", "mine.py", "mine.py, line 1: invalid syntax"),
        ("", "mine.txt", "name a .py file"),
    ],
)
def test_init_says_what_is_wrong_with_a_file(here: Path, code: str, named: str, told: str) -> None:
    """Without running it."""
    (here / "mine.py").write_text(code)

    with pytest.raises(ValueError, match=told):
        _strategy_template.apply((DEMO / "demo.toml").read_text(), named, here)


def test_init_needs_a_strategy_to_replace(here: Path) -> None:
    """In a tree of something else there is none."""
    with pytest.raises(ValueError, match="no strategy to replace"):
        _strategy_template.apply("[supervisor]\n", "mine.py", here)


@pytest.mark.req("T4")
def test_a_champion_was_created_for_a_timeframe_that_there_is_not(here: Path) -> None:
    """Refused with 2 and what is allowed; no file is left."""
    result = create("c.json", "--timeframe", "1zz")

    assert result.exit_code == 2
    assert "'1m', '5m', '15m', '1h', '4h', '1D'" in result.stderr
    assert [] == list(here.iterdir())


def test_a_recording_without_a_frame_was_a_success_and_left_an_empty_file(here: Path) -> None:
    """Exit 1 and a sentence where nobody answers, and no file."""
    nowhere = ("--ws-url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1")
    words = ("--exchange", "binance", "--symbol", "BTC/USDT", "--minutes", "0.002", *nowhere)
    result = run("record", *words, "--out", "x.ws.jsonl")

    assert result.exit_code == 1
    assert "no frame came from binance for BTC/USDT" in result.stderr
    assert [] == list(here.iterdir())
