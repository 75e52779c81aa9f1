"""What `supervisor check` says of credentials and of Telegram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.telegram import telegram_server
from workers.notifier import preflight

NOWHERE = "http://127.0.0.1:1"


def check(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, base_url: str = NOWHERE, **environment: str
) -> tuple[str, ...]:
    """Check a section that is right in an environment that may not be."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    config: dict[str, Any] = {"telegram": {"base_url": base_url}}
    return preflight("tell", config, str(state_dir), str(state_dir))


@pytest.mark.req("N1")
def test_a_bot_and_a_chat_that_are_there_are_good(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telegram is asked for both; nothing is sent."""
    with telegram_server() as fake:
        found = check(state_dir, monkeypatch, fake.base_url, TELEGRAM_BOT_TOKEN="1:x", TELEGRAM_CHAT_ID="-42")

    assert found == ()
    assert [path.rpartition("/")[2] for path in fake.paths] == ["getMe", "getChat"]


@pytest.mark.req("N1")
def test_a_host_that_cannot_be_reached_is_told(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the token."""
    (found,) = check(state_dir, monkeypatch, TELEGRAM_BOT_TOKEN="1:secret", TELEGRAM_CHAT_ID="42")

    assert found.startswith("tell: Telegram does not know this bot or cannot be reached: ConnectError")
    assert "secret" not in found


def test_what_is_missing_or_malformed_is_told_without_asking(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a sentence; with no credentials at all nothing is wrong."""
    assert check(state_dir, monkeypatch) == ()
    (found,) = check(state_dir, monkeypatch, TELEGRAM_BOT_TOKEN="1:x", TELEGRAM_CHAT_ID="x y")
    assert "'x y' has not the form" in found
    monkeypatch.delenv("TELEGRAM_CHAT_ID")
    (found,) = check(state_dir, monkeypatch)
    assert "no chat" in found
    monkeypatch.delenv("TELEGRAM_BOT_TOKEN")
    (found,) = check(state_dir, monkeypatch, TELEGRAM_BOT_TOKEN_FILE=str(state_dir / "nothing"))
    assert "TELEGRAM_BOT_TOKEN" in found
