"""``paper replay``: what it refuses, and the tree it makes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from workers.paper import cli
from workers.paper._failure import Failure
from workers.paper._replay_run import warnings
from workers.paper._replay_tree import Wishes, own_tree, prepare

TREE = """
[[child]]
id = "books"
start = "workers.broker:main"
[child.config]
inputs = ["ticks", "mine"]
{breakers}
[[child]]
id = "mine"
start = "workers.strategy:main"
[[child]]
id = "teller"
start = "workers.notifier:main"
[[child]]
id = "ticks"
start = "workers.feed:main"
[child.config]
time = "close"
"""


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["replay", *arguments])


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Give a file; nothing here reads it."""
    path = tmp_path / "candles.csv"
    path.write_text("ts_ms,open,high,low,close,volume\n")
    return path


def named(tmp_path: Path, breakers: str = "") -> str:
    """Write a tree of the user's own; its path."""
    path = tmp_path / "tree.toml"
    path.write_text(TREE.replace("{breakers}", breakers))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.csv"], "recording missing.csv: no such file"),
        (["/"], "recording /: it is a folder"),
        (["{file}", "--state-dir", "{used}"], "is not empty; a replay begins with fresh books"),
        (["{file}", "--speed", "fast"], 'neither "max" nor a factor above 0'),
        (["{file}", "--speed", "nan"], 'neither "max" nor a factor above 0'),
        (["{file}", "--config", "missing.toml"], "tree file missing.toml: No such file"),
        (["{file}", "--config", "{file}"], "tree file"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_a_sentence(
    recording: Path, arguments: list[str], sentence: str
) -> None:
    """Exit status 2, before anything is started."""
    places = {"file": str(recording), "used": str(recording.parent)}
    result = run(*(argument.format(**places) for argument in arguments))

    assert result.exit_code == 2
    assert sentence in result.stderr


def test_own_tree_is_plain(tmp_path: Path) -> None:
    """Four children, paper mode, no breakers, messages to the log, an end; names survive their quoting."""
    file = tmp_path / 'a "b" \\ c\tä.csv'
    tree = tomllib.loads(own_tree(Wishes(file, 60.0, "rules.py:Mine")))
    config = {child["id"]: child["config"] for child in tree["child"]}

    assert ["notifier", "broker", "strategy", "feed"] == list(config)
    assert (str(file), 60.0, "shutdown") == tuple(config["feed"][key] for key in ("file", "speed", "on_end"))
    assert f"{Path.cwd()}/rules.py:Mine" == config["strategy"]["strategy"]
    assert ("off", "log", "paper") == (
        config["broker"]["breakers"],
        config["notifier"]["deliver"],
        tree["defaults"]["config"]["mode"],
    )


def test_in_a_tree_of_the_user_only_what_a_replay_needs_is_set(tmp_path: Path, recording: Path) -> None:
    """By its own names for the children, and before what the command line sets."""
    wishes = Wishes(recording, strategy="ma_cross", sets=("ticks.volume=quote",))
    tree = prepare(wishes, named(tmp_path), tmp_path)

    assert ("ticks", "books") == (tree.feed, tree.broker)
    assert frozenset({"ticks", "books", "mine"}) == tree.members
    assert (
        'ticks.config.source="recorded"',
        f'ticks.config.file="{recording}"',
        'ticks.config.speed="max"',
        'ticks.config.on_end="shutdown"',
        'books.config.breakers="off"',
        'teller.config.deliver="log"',
        'mine.config.strategy="ma_cross"',
        "ticks.volume=quote",
    ) == tree.sets


def test_breakers_that_the_tree_names_stay(tmp_path: Path, recording: Path) -> None:
    """It runs without breakers unless the tree names them."""
    tree = prepare(Wishes(recording), named(tmp_path, "breakers = { daily_loss = 0.03 }"), tmp_path)

    assert not [one for one in tree.sets if one.startswith("books.")]


def test_a_tree_without_a_feed_is_refused(tmp_path: Path, recording: Path) -> None:
    """There is nothing to put the recording into."""
    path = tmp_path / "tree.toml"
    path.write_text('[[child]]\nid = "a"\ncommand = ["true"]\n')

    with pytest.raises(Failure) as caught:
        prepare(Wishes(recording), str(path), tmp_path)

    assert 'one child with start = "workers.feed:main" is needed, found none' in caught.value.message


def test_what_the_feed_has_against_a_recording_is_told_once(tmp_path: Path) -> None:
    """Rows that were skipped are not passed over in silence, however often the feed was started."""
    tree = prepare(Wishes(tmp_path / "x.csv"), None, tmp_path)
    skipped = {"level": "WARNING", "process": "feed", "message": "rows skipped in all", "off_grid": 999}
    lines = [skipped, {**skipped, "level": "INFO"}, skipped]
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "feed.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    assert ["rows skipped in all off_grid=999"] == warnings(tree, tmp_path)
