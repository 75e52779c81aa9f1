"""The Telegram channel against a server that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.workers.notifier.fake_telegram import (
    GARBAGE,
    NEVER,
    SERVER_ERROR,
    FakeTelegram,
    json_reply,
    telegram_server,
    too_many,
)
from workers.notifier import telegram
from workers.notifier.telegram import Outcome, Refused, Sent, Telegram, open_telegram

TOKEN = "123:very-secret"


def with_server(use: Callable[[FakeTelegram, Telegram], Awaitable[Outcome]]) -> Outcome:
    """Run ``use`` with a server and a channel to it."""

    async def run() -> Outcome:
        async with telegram_server() as fake:
            channel = open_telegram(TOKEN, "42", fake.base_url)
            try:
                return await use(fake, channel)
            finally:
                await channel.close()

    return asyncio.run(run())


def answer_to(reply: bytes) -> Outcome:
    """Return what becomes of a message that is answered like this."""

    async def use(fake: FakeTelegram, channel: Telegram) -> Outcome:
        fake.script.append(reply)
        return await channel.send("hello")

    return with_server(use)


@pytest.mark.req("N1")
def test_a_message_goes_to_the_bot_of_the_token() -> None:
    """By Telegram's own path; what is too long is cut."""
    seen: list[FakeTelegram] = []

    async def use(fake: FakeTelegram, channel: Telegram) -> Outcome:
        seen.append(fake)
        return await channel.send("x" * 5000)

    assert with_server(use) == Sent()
    assert seen[0].paths == [f"/bot{TOKEN}/sendMessage"]
    assert seen[0].taken == ["x" * 4096]


@pytest.mark.req("N2")
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (too_many("7"), Refused("status 429", 7.0)),
        (too_many("soon"), Refused("status 429")),
        (too_many("-1"), Refused("status 429")),
        (too_many("nan"), Refused("status 429")),
        (too_many("1e99"), Refused("status 429", 86400.0)),
        (json_reply(429, {"ok": False, "parameters": {"retry_after": 3}}), Refused("status 429", 3.0)),
        (SERVER_ERROR, Refused("status 500")),
        (json_reply(401, {"ok": False, "description": "Unauthorized"}), Refused("status 401 Unauthorized")),
        (json_reply(200, {"ok": False, "description": TOKEN}), Refused("status 200 ***")),
    ],
)
def test_only_a_200_is_a_message_sent(reply: bytes, outcome: Outcome) -> None:
    """Everything else says why, and how long to wait where the server says it."""
    assert answer_to(reply) == outcome


@pytest.mark.req("N2")
def test_garbage_and_a_closed_door_are_refusals_without_the_token() -> None:
    """What the client library says never carries the URL out."""

    async def closed(fake: FakeTelegram, _channel: Telegram) -> Outcome:
        channel = open_telegram(TOKEN, "42", "http://127.0.0.1:1")
        try:
            return await channel.send("x")
        finally:
            await channel.close()

    for outcome in (answer_to(GARBAGE), with_server(closed)):
        assert isinstance(outcome, Refused)
        assert "secret" not in outcome.why


@pytest.mark.req("N2")
def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can wait for ever."""
    monkeypatch.setattr(telegram, "WHOLE_TIMEOUT_S", 0.05)

    assert answer_to(NEVER) == Refused("no answer in time")
