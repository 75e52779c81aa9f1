"""The Telegram channel against a server that misbehaves."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.support import telegram as server
from tests.support.telegram import FakeTelegram, Reply, refusal, said, telegram_server, too_many
from workers.notifier import bot as bot_module
from workers.notifier.bot import Bot
from workers.notifier.outcome import Outcome, Refused, Sent
from workers.notifier.telegram import Telegram, fitted

TOKEN = "123:very-secret"


def send(fake: FakeTelegram, text: str = "hello", base_url: str | None = None) -> Outcome:
    """Send one message."""

    async def run() -> Outcome:
        chat = Telegram(Bot(TOKEN, base_url or fake.base_url), "42")
        try:
            return await chat.send(text)
        finally:
            await chat.close()

    return asyncio.run(run())


def answer_to(reply: Reply) -> Outcome:
    """Return what becomes of a message that is answered like this."""
    with telegram_server() as fake:
        fake.script.append(reply)
        return send(fake)


@pytest.mark.req("N1")
def test_a_message_goes_to_the_bot_of_the_token() -> None:
    """By Telegram's own path; what is too long is cut."""
    with telegram_server() as fake:
        assert send(fake, "x" * 5000) == Sent()
        assert fake.paths == [f"/bot{TOKEN}/sendMessage"]
        assert fake.texts == ["x" * 4092 + " ..."]


@pytest.mark.req("N2")
@pytest.mark.parametrize(
    ("reply", "why", "wait_s", "certain"),
    [
        (too_many(7), "status 429 Too Many Requests: retry after 7", 7.0, True),
        (
            Reply(429, b"{}", headers=(("Retry-After", "5"),)),
            "status 429, and no answer of Telegram",
            5.0,
            True,
        ),
        (Reply(429, b"{}", headers=(("Retry-After", "soon"),)), "status 429, and no answer", None, True),
        (Reply(429, b"{}", headers=(("Retry-After", "-1"),)), "status 429, and no answer", None, True),
        (Reply(429, b"{}", headers=(("Retry-After", "nan"),)), "status 429, and no answer", None, True),
        (Reply(429, b"{}", headers=(("Retry-After", "1e99"),)), "status 429, and no answer", 86400.0, True),
        (server.BAD_GATEWAY, "status 502, and no answer of Telegram", None, False),
        (server.UNAUTHORIZED, "status 401 Unauthorized", None, True),
        (said(200, ok=False, description=TOKEN), "status 200 ***", None, True),
        (server.BAD_JSON, "status 200, and no answer of Telegram", None, False),
        (Reply(200, b"[1]"), "status 200, and no answer of Telegram", None, False),
        (Reply(302, b"", headers=(("Location", "http://127.0.0.1:1/"),)), "status 302", None, False),
        (server.RESET, "Error", None, False),
        (server.NOT_HTTP, "RemoteProtocolError", None, False),
    ],
)
def test_only_a_yes_of_telegram_is_a_message_sent(
    reply: Reply, why: str, wait_s: float | None, certain: bool
) -> None:
    """Everything else says why, how long to wait where it is said, and whether it may have arrived."""
    outcome = answer_to(reply)

    assert isinstance(outcome, Refused)
    assert why in outcome.why
    assert (outcome.wait_s, outcome.certain, outcome.hopeless) == (wait_s, certain, False)


@pytest.mark.req("N2")
def test_a_message_that_telegram_cannot_take_is_told_from_a_chat_that_is_wrong() -> None:
    """The first would block all others for ever; with the second none would fare better."""
    poison = answer_to(refusal(400, "Bad Request: message text is empty"))
    nobody = answer_to(refusal(400, "Bad Request: chat not found"))

    assert isinstance(poison, Refused)
    assert isinstance(nobody, Refused)
    assert (poison.hopeless, nobody.hopeless) == (True, False)


def test_a_group_that_became_a_supergroup_is_followed() -> None:
    """Telegram says where it is now."""

    async def run(fake: FakeTelegram) -> list[str]:
        chat = Telegram(Bot(TOKEN, fake.base_url), "-42")
        fake.script.append(refusal(400, "group chat was upgraded", migrate_to_chat_id=-100123))
        await chat.send("a")
        await chat.send("b")
        await chat.close()
        return [one.chat for one in fake.taken]

    with telegram_server() as fake:
        assert asyncio.run(run(fake)) == ["-100123"]


@pytest.mark.req("H4")
def test_the_token_is_in_no_refusal_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """What the client library says never carries the URL out, nor do its own logs."""
    caplog.set_level(logging.DEBUG)
    with telegram_server() as fake:
        fake.script.extend([server.NOT_HTTP, refusal(400, f"no such bot{TOKEN}")])
        outcomes = [send(fake), send(fake), send(fake), send(fake, base_url="http://127.0.0.1:1")]

    assert [isinstance(outcome, Sent) for outcome in outcomes] == [False, False, True, False]
    assert "secret" not in "".join(map(str, outcomes))
    assert "secret" not in caplog.text


@pytest.mark.req("N2")
def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can wait for ever."""
    monkeypatch.setattr(bot_module, "WHOLE_TIMEOUT_S", 0.05)
    outcome = answer_to(server.HANG)

    assert isinstance(outcome, Refused)
    assert outcome.why == "no answer in time"
    assert not outcome.certain


def test_certificates_that_cannot_be_read_are_a_refusal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As everything else that may be wrong outside."""
    (tmp_path / "bad.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bad.pem"))
    with telegram_server() as fake:
        outcome = send(fake)

    assert isinstance(outcome, Refused)
    assert "no client can be made" in outcome.why


PROXIES = {"socks": "socks5://127.0.0.1:1", "no address": "http://[::1", "no port": "http://127.0.0.1:99999"}


@pytest.mark.req("N2")
@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
def test_a_proxy_that_cannot_be_used_is_a_refusal(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """The client takes it from the environment, and wants another library for some of them."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    outcome = asyncio.run(Bot(TOKEN, "https://127.0.0.1:1").call("getMe", {}))

    assert isinstance(outcome, Refused)
    assert "TaskGroup" not in outcome.why


@pytest.mark.req("N2")
@pytest.mark.parametrize("address", ["https://127.0.0.1:99999", "https://xn--", "https://[::1"])
def test_an_address_that_cannot_be_is_a_refusal(address: str) -> None:
    """Whatever it makes of the client's inside."""
    assert isinstance(asyncio.run(Bot(TOKEN, address).call("getMe", {})), Refused)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "(empty)"),
        ("a\ud800b", "a?b"),
        ("😀" * 2049, "😀" * 2046 + " ..."),
        ("x" + "😀" * 2048, "x" + "😀" * 2045 + " ..."),
    ],
)
def test_a_text_fits_as_telegram_counts(text: str, expected: str) -> None:
    """In UTF-16 units, and never torn in the middle of a character."""
    assert fitted(text) == expected
