"""``paper notify test``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support import telegram as server
from tests.support.telegram import FakeTelegram, refusal, telegram_server
from workers.notifier.config import NotifierConfig
from workers.notifier.kinds import KINDS
from workers.notifier.samples import samples
from workers.paper import cli

TREE = """
[[child]]
id = "tell"
start = "workers.notifier:main"

[child.config]
telegram = {{ base_url = "{base_url}" }}
templates = {{ parked = "{{child}} is gone" }}
messages = {{ held = "off" }}
"""


def run(tmp_path: Path, fake: FakeTelegram, *arguments: str, tree: str = TREE) -> Result:
    """Run the command in this process with credentials."""
    path = tmp_path / "tree.toml"
    path.write_text(tree.format(base_url=fake.base_url))
    environment = {"TELEGRAM_BOT_TOKEN": "1:secret", "TELEGRAM_CHAT_ID": "42"}
    return CliRunner().invoke(
        cli, ["notify", "test", "--config", str(path), *arguments], env=environment, standalone_mode=True
    )


@pytest.mark.req("N1")
def test_there_is_a_sample_of_every_kind() -> None:
    """Made as the real ones are, so that templates are tried as they will be used."""
    everything = NotifierConfig(messages=dict.fromkeys(KINDS, "on"))

    assert {message.kind for message in samples(everything, 10**12)} == set(KINDS)
    assert "unknown" not in " ".join(message.text for message in samples(everything, 10**12))


@pytest.mark.req("N1")
def test_messages_go_to_the_channels_of_the_tree_file(tmp_path: Path) -> None:
    """In the user's own words, marked, with a report for each channel."""
    with telegram_server() as fake:
        fake.script.append(server.BAD_GATEWAY)
        result = run(tmp_path, fake, "--kind", "parked")

    assert result.exit_code == 0, result.output
    assert fake.texts[0].startswith("TEST strategy is gone\n")
    assert result.output.startswith("telegram: 1 of 1 sent in ")


@pytest.mark.req("N1")
def test_what_is_not_taken_is_reported_with_the_reason(tmp_path: Path) -> None:
    """Exit status 1."""
    with telegram_server() as fake:
        fake.usual = lambda: refusal(401, "Unauthorized")
        result = run(tmp_path, fake, "--kind", "parked")

    assert result.exit_code == 1
    assert "telegram: 0 of 1 sent" in result.output
    assert "  parked: status 401 Unauthorized" in result.output
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("tree", "arguments", "words"),
    [
        (TREE, ("--kind", "held"), "or it is off: held"),
        ("[[child]]\nid = 'a'\n", (), "no child with start"),
        ("[", (), "tree file"),
        (TREE + 'heartbeat = "soon"', (), "tell.config"),
    ],
)
def test_mistakes_are_said_in_words(
    tmp_path: Path, tree: str, arguments: tuple[str, ...], words: str
) -> None:
    """Exit status 2, and nothing is sent."""
    with telegram_server() as fake:
        result = run(tmp_path, fake, *arguments, tree=tree)

    assert result.exit_code == 2, result.output
    assert words in result.output
    assert fake.asked == []


def test_without_a_channel_it_says_what_to_set(tmp_path: Path) -> None:
    """Exit status 2."""
    path = tmp_path / "tree.toml"
    path.write_text("[[child]]\nid = 'n'\nstart = 'workers.notifier:main'\n")
    result = CliRunner().invoke(cli, ["notify", "test", "--config", str(path)])

    assert result.exit_code == 2
    assert "no channel is configured" in result.output
