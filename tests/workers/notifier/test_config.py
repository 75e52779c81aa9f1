"""The notifier's section of a tree file, and where its secrets come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.messages.control import Launch
from workers.notifier.app import build
from workers.notifier.config import NotifierConfig, NotYet, SecretInFile, refuse_unfit
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
        {"telegram": {"tokn": "env"}},
        {"heartbeet": "1h"},
    ],
)
def test_nonsense_is_refused_with_the_key(keys: dict[str, Any]) -> None:
    """The sentence names the key of the file."""
    with pytest.raises(BadConfig, match=r"notifier\.config"):
        read(**keys)


@pytest.mark.parametrize("keys", [{"urls": ["x"]}, {"daily_at": "01:00"}, {"dead_man_url": "x"}])
def test_what_comes_later_is_refused_in_words(keys: dict[str, Any]) -> None:
    """Never ignored in silence."""
    with pytest.raises(NotYet, match="later version"):
        read(**keys)


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

    monkeypatch.setenv("TELEGRAM_CHAT_ID", "7")
    assert len(built(state_dir).services) == 1
    assert built(state_dir, deliver="log").services == ()
