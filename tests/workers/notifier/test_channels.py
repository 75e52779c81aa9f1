"""From credentials to channels: who gets a line of the outbox, and who empties it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from protocol.journal import Journal
from tests.support.deadline import until
from tests.workers.notifier.desk import Desk
from workers.notifier.bot import Bot
from workers.notifier.channels import Senders, names, senders
from workers.notifier.delivery import always
from workers.notifier.outbox import TABLES, Outbox
from workers.notifier.problems import Credentials
from workers.notifier.services import name_of

URLS = ("json://one.example/hook", "ntfy://two.example/topic", "json://one.example/hook")


def credentials(*urls: str, telegram: bool = True) -> Credentials:
    """Return credentials that can work."""
    return Credentials(
        telegram=telegram,
        token="12:x" if telegram else None,
        chat_id="42" if telegram else None,
        urls=urls,
        dead_man_url=None,
        problems=(),
    )


def made(found: Credentials, journal: Journal, *allowed: int) -> Senders:
    """Make the senders as a process does."""
    bot = Bot("12:x", "http://127.0.0.1:1") if found.telegram else None
    return senders(found, bot, Outbox(journal, names(found)), allowed=allowed, goes_out=always)


@pytest.mark.req("N1")
def test_every_channel_that_messages_are_kept_for_has_a_sender(tmp_path: Path) -> None:
    """Telegram, each service that a URL names, once, and a line for the answers to each chat allowed."""
    with closing(Journal.open(tmp_path / "n.db", stream="notifier", tables=TABLES)) as journal:
        found = credentials(*URLS)
        lines = [one.name for one in made(found, journal, 42, 7).deliveries]
        alone = [one.name for one in made(credentials(URLS[0], telegram=False), journal).deliveries]

    assert ["telegram", name_of(URLS[0]), name_of(URLS[1])] == list(names(found))
    assert ["telegram", "chat 7", name_of(URLS[0]), name_of(URLS[1])] == lines
    assert [name_of(URLS[0])] == alone


@pytest.mark.req("N1")
def test_what_a_service_does_not_take_is_seen_in_health_and_waits(tmp_path: Path) -> None:
    """Nobody answers, or the extra is missing: the reason names the channel and nothing of the URL."""
    url = "json://127.0.0.1:1/very-secret"
    desk = Desk(tmp_path, channels=(name_of(url),))
    desk.event("root_started")
    desk.run()
    sending = made(credentials(url, telegram=False), desk.journal)

    async def run() -> None:
        tasks = [asyncio.create_task(one(lambda: None)) for one in sending.deliveries]
        sending.posted()
        await until(lambda: sending.condition().reasons, what="a reason")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    (reason,) = sending.condition().reasons
    assert reason.startswith(f"not delivered to {name_of(url)}: ")
    assert "very-secret" not in reason
    assert 1 == len(desk.waiting())
    desk.journal.close()
