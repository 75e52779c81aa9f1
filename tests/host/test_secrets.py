"""Secrets never reach a log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.host.records import Encoder
from supervisor.host.secrets import Scrubber, secret_values


@pytest.mark.req("H4")
def test_where_secrets_are_found(tmp_path: Path) -> None:
    """Variables by name and ending, their _FILE forms line by line, and systemd credentials."""
    (tmp_path / "key").write_text("first-line\nsecond-line\n")
    (tmp_path / "cred").mkdir()
    (tmp_path / "cred" / "telegram").write_text("from-systemd\n")
    environ = {
        "TELEGRAM_BOT_TOKEN": "12:bot",
        "X_API_KEY": "the-key",
        "Y_PASSWORD": "abc",
        "Z_SECRET_FILE": str(tmp_path / "key"),
        "W_TOKEN_FILE": str(tmp_path / "missing"),
        "CREDENTIALS_DIRECTORY": str(tmp_path / "cred"),
        "HOME": "/home/me",
        "AWS_SECRET_ACCESS_KEY": "aws-key",
        "stripe_apikey": "lower-case",
        "DATABASE_URL": "postgres://user:in-url@host/db",
    }
    found = secret_values(environ)

    assert {"12:bot", "the-key", "first-line", "second-line", "from-systemd", "aws-key"} <= set(found)
    assert {"lower-case", "in-url"} <= set(found)
    assert not {"abc", "/home/me", ""} & set(found)


@pytest.mark.req("H4")
@given(secret=st.text(min_size=4, max_size=12), before=st.text(max_size=5), number=st.integers(1000, 10**9))
def test_no_secret_in_any_place(secret: str, before: str, number: int) -> None:
    """In messages, facts, keys, nested values and numbers: masked, and the line stays JSON."""
    encoder = Encoder(Scrubber((secret, str(number))))
    record = {"message": before + secret, "deep": [{"k" + secret: secret}], "n": number, "m": "m"}
    _, line = encoder.safe_line(record)
    stored = json.loads(line)

    assert secret not in stored["message"].replace("***", "\0")
    assert set(stored["deep"][0].values()) == {"***"}
    assert stored["n"] == "***"
