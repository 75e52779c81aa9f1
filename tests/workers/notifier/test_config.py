"""The notifier's section of a tree file, and where its secrets come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.messages.control import Launch
from workers.notifier.app import build
from workers.notifier.config import NotifierConfig, SecretInFile, refuse_unfit
from workers.notifier.problems import problems
from workers.shared.config import BadConfig, decode
from workers.shared.worker import Context, Worker


def read(**keys: Any) -> NotifierConfig:
    """Decode a section and refuse what is unfit."""
    config = decode(keys, NotifierConfig, "notifier")
    refuse_unfit(config, "notifier")
    return config


def test_the_defaults() -> None:
    """As the contract names them."""
    config = read(
        telegram={"token": "env", "chat_id": "env", "base_url": "https://api.telegram.org"}, urls=[]
    )

    assert (config.inputs, config.heartbeat_ms, config.health_ms) == (
        ("root", "broker"),
        7_200_000,
        3_600_000,
    )


@pytest.mark.parametrize(
    "keys",
    [
        {"heartbeat": "soon"},
        {"heartbeat": -1},
        {"health": "1w"},
        {"deliver": "mail"},
        {"telegram": {"base_url": "http://example.org"}},
        {"telegram": {"base_url": "ftp://127.0.0.1"}},
        {"telegram": {"base_url": "https://127.0.0.1:99999"}},
        {"telegram": {"base_url": "https://example.org:http"}},
        {"telegram": {"tokn": "env"}},
        {"heartbeet": "1h"},
        {"daily_at": "24:00"},
        {"daily_at": "7:00"},
        {"time_zone": "Europe/Nowhere"},
        {"time_zone": "../etc/passwd"},
        {"urls": ["no address"]},
        {"dead_man_url": "http://example.org/ping"},
        {"messages": {"parkd": "off"}},
        {"messages": {"parked": "loud"}},
        {"templates": {"parked": "{child} {what}"}},
        {"templates": {"parked": "{child.__class__}"}},
        {"templates": {"parked": "{child!r}"}},
        {"templates": {"parked": "{}"}},
        {"templates": {"parked": "{child"}},
        {"templates": {"parked": " "}},
    ],
)
def test_nonsense_is_refused_with_the_key(keys: dict[str, Any]) -> None:
    """The sentence names the key of the file."""
    with pytest.raises(BadConfig, match=r"notifier\.config"):
        read(**keys)


def test_the_sentence_names_what_is_unknown_and_what_is_allowed() -> None:
    """Of a template and of a kind."""
    with pytest.raises(
        BadConfig, match=r"templates.parked: unknown field \{when\}; allowed: \{child\}, \{reason\}"
    ):
        read(templates={"parked": "{child} since {when}"})
    with pytest.raises(BadConfig, match=r"messages.parkd: no such kind of message; did you mean 'parked'"):
        read(messages={"parkd": "off"})


@pytest.mark.req("H4")
def test_a_token_in_the_file_is_refused_without_being_repeated() -> None:
    """A secret has no place there, nor in the log."""
    with pytest.raises(SecretInFile) as caught:
        read(telegram={"token": "123:very-secret"})

    assert "secret has no place" in str(caught.value)
    assert "very-secret" not in str(caught.value)


def built(state_dir: Path, **keys: Any) -> Worker:
    """Build the notifier as its process does; its journal is closed again."""
    launch = Launch(
        child="notifier",
        path="root/notifier",
        incarnation=1,
        runtime_dir=str(state_dir),
        state_dir=str(state_dir),
        config_dir=str(state_dir),
        config=keys,
    )
    worker = build(Context(launch))
    worker.journal.close()
    return worker


@pytest.mark.req("N1")
def test_telegram_is_used_where_there_are_credentials(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are needed; "log" keeps to the log whatever there is."""
    assert built(state_dir).services == ()

    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "12:x")
    assert built(state_dir).services == ()
    assert "no chat" in built(state_dir).condition().reasons[0]

    monkeypatch.setenv("TELEGRAM_CHAT_ID", "7")
    assert len(built(state_dir).services) >= 1
    assert built(state_dir).condition().reasons == ()
    assert built(state_dir, deliver="log").services == ()


@pytest.mark.req("H4")
def test_a_mistake_in_the_section_shows_none_of_its_addresses() -> None:
    """They hold secrets; what is told is where the mistake is."""
    with pytest.raises(BadConfig) as caught:
        read(urls=["discord://id/very-secret"], daily_at="noon")
    with pytest.raises(BadConfig) as nested:
        read(telegram={"token": "very-secret", "base_url": "ftp://x"})

    assert "daily_at must be a time of day" in str(caught.value)
    assert "base_url must be https" in str(nested.value)
    assert "very-secret" not in f"{caught.value}{nested.value}"


ENVIRONMENT = {"TELEGRAM_BOT_TOKEN": "12:abc", "TELEGRAM_CHAT_ID": "-42"}


@pytest.mark.parametrize(
    ("keys", "environment", "found"),
    [
        ({}, {}, []),
        ({}, ENVIRONMENT, []),
        ({}, {"TELEGRAM_BOT_TOKEN_FILE": "x", "TELEGRAM_CHAT_ID": "@channel"}, []),
        ({}, {**ENVIRONMENT, "TELEGRAM_BOT_TOKEN": ""}, ["no token"]),
        ({"telegram": {"chat_id": 5}}, {}, ["no token"]),
        ({}, {**ENVIRONMENT, "TELEGRAM_CHAT_ID": " "}, ["no chat"]),
        ({}, {**ENVIRONMENT, "TELEGRAM_BOT_TOKEN": "hunter2"}, ["TELEGRAM_BOT_TOKEN has not the form"]),
        ({}, {**ENVIRONMENT, "TELEGRAM_CHAT_ID": "my chat"}, ["'my chat' has not the form"]),
        ({"urls": ["env:NOWHERE"]}, {}, ["there is no NOWHERE"]),
        ({"dead_man_url": "env:NOWHERE"}, ENVIRONMENT, ["there is no NOWHERE"]),
    ],
)
def test_what_is_wrong_with_credentials_is_said_in_sentences(
    keys: dict[str, Any], environment: dict[str, str], found: list[str]
) -> None:
    """One for each problem; no secret is in any."""
    said = problems(read(**keys), environment)

    assert len(said) == len(found)
    assert all(words in sentence for words, sentence in zip(found, said, strict=True))
    assert "hunter2" not in "".join(said)


@pytest.mark.req("N2")
def test_a_token_that_cannot_be_right_degrades_the_notifier_and_keeps_what_it_has_to_say(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays up; once the token is mended the messages go out."""
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "nonsense")
    monkeypatch.setenv("TELEGRAM_CHAT_ID", "7")
    worker = built(state_dir)

    assert worker.services == ()
    assert "form of a token" in worker.condition().reasons[0]
