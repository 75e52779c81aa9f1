"""The one-shot sender that the root starts when the notifier is down."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support import telegram as server
from tests.support.telegram import telegram_server, too_many
from workers.notifier.alert import text_of

ALERT = {"event": "parked", "child": "broker", "reason": "crashed"}


def send(*arguments: str, alert: bytes = json.dumps(ALERT).encode(), **environment: str) -> tuple[int, str]:
    """Run it as the root does; its exit status and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "workers.notifier.alert", *arguments],
        input=alert,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.req("N5")
def test_an_alert_arrives_over_failures() -> None:
    """The sentence, the host, and that the notifier is down; 429 is survived."""
    with telegram_server() as fake:
        fake.script.append(too_many(0.05))
        code, said = send(
            "--base-url",
            fake.base_url,
            "broker is parked",
            TELEGRAM_BOT_TOKEN="12:very-secret",
            TELEGRAM_CHAT_ID="42",
        )

    assert (code, said) == (0, "alert: telegram: sent\n")
    assert len(fake.taken) == 1
    assert ": broker is parked\n(sent by the root itself: the notifier is down)" in fake.texts[0]


@pytest.mark.req("N5")
def test_with_nobody_to_tell_it_says_so() -> None:
    """And with a token of the wrong form, which it does not repeat."""
    code, said = send("x", TELEGRAM_BOT_TOKEN="hunter2", TELEGRAM_CHAT_ID="42")

    assert code == 2
    assert "nobody to tell" in said
    assert "form of a token" in said
    assert "hunter2" not in said


@pytest.mark.req("N5")
def test_without_a_word_there_is_nothing_to_say() -> None:
    """That is no success: whoever started it meant something."""
    code, said = send(" ", alert=b" \n", TELEGRAM_BOT_TOKEN="1:a", TELEGRAM_CHAT_ID="2")

    assert (2, True) == (code, "nothing to say" in said)


@pytest.mark.req("N5")
def test_a_message_that_is_never_taken_ends_with_1() -> None:
    """It does not try for ever."""
    with telegram_server() as fake:
        fake.usual = lambda: server.refusal(400, "Bad Request: can't parse")
        code, said = send("--base-url", fake.base_url, "x", TELEGRAM_BOT_TOKEN="1:a", TELEGRAM_CHAT_ID="2")

    assert code == 1
    assert "telegram: status 400 Bad Request: can't parse" in said


@pytest.mark.parametrize(
    ("sentence", "alert", "words"),
    [
        ("It burns", ALERT, "It burns"),
        ("", ALERT, "parked"),
        ("", {"message": "gone"}, "gone"),
        ("", {"child": "feed", "code": 3}, "child feed, code 3"),
    ],
)
def test_what_an_alert_says(sentence: str, alert: dict[str, object], words: str) -> None:
    """The sentence where there is one, else what the alert holds."""
    assert text_of(sentence, alert, "host").startswith(f"ALERT from host: {words}\n")
