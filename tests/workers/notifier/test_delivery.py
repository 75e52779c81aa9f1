"""From the outbox to the channel: in order, once, however often it fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from protocol.journal import Journal
from tests.support.deadline import until
from tests.workers.notifier.fake_telegram import (
    GARBAGE,
    NEVER,
    OK,
    SERVER_ERROR,
    FakeTelegram,
    telegram_server,
    too_many,
)
from workers.notifier import outbox, telegram
from workers.notifier.delivery import Delivery, Pace
from workers.notifier.message import Message
from workers.notifier.outbox import TABLES, Outbox
from workers.notifier.telegram import Refused, Sent, open_telegram

QUICK = Pace(between_s=0.01, first_s=0.01, last_s=0.02)


def post(journal: Journal, number: int, *, sent_ms: int | None = None) -> None:
    """Put a message into the outbox."""
    message = Message(kind="test", at_ms=number * 1000, text=f"message {number}")
    write = outbox.insert(number, message, sent_ms=sent_ms)
    journal.commit(statements=[(write.sql, write.parameters)])


def with_delivery(
    path: Path, pace: Pace, use: Callable[[FakeTelegram, Delivery, Journal], Awaitable[None]]
) -> None:
    """Run ``use`` beside a delivery that sends to a fake server."""

    async def run() -> None:
        journal = Journal.open(path, stream="notifier", tables=TABLES)
        async with telegram_server() as fake:
            delivery = Delivery(Outbox(journal), open_telegram("12:token", "42", fake.base_url), pace)
            try:
                await use(fake, delivery, journal)
            finally:
                journal.close()

    asyncio.run(run())


async def stop(task: asyncio.Task[None]) -> None:
    """Cancel a service as the process does at its stop."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.req("N2")
def test_messages_arrive_oldest_first_with_their_own_time_over_every_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500, garbage, silence and 429 delay them; none is lost, none is doubled, none overtakes."""
    monkeypatch.setattr(telegram, "WHOLE_TIMEOUT_S", 0.1)

    async def use(fake: FakeTelegram, delivery: Delivery, journal: Journal) -> None:
        fake.script.extend([SERVER_ERROR, GARBAGE, OK, NEVER, too_many("0"), OK])
        for number in (1, 2, 3):
            post(journal, number)
        task = asyncio.create_task(delivery(lambda: None))
        await until(lambda: Outbox(journal).queued() == 0, what="an empty outbox")
        post(journal, 4)
        delivery.posted()
        await until(lambda: Outbox(journal).queued() == 0, what="an empty outbox")
        await stop(task)

        assert fake.taken == [f"message {n}\n1970-01-01 00:00:0{n} UTC" for n in (1, 2, 3, 4)]
        assert delivery.condition().reasons == ()

    with_delivery(tmp_path / "n.db", QUICK, use)


@pytest.mark.req("N2")
def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    """The server's pause counts, though our own would be shorter."""

    async def use(fake: FakeTelegram, delivery: Delivery, journal: Journal) -> None:
        fake.script.append(too_many("0.3"))
        post(journal, 1)
        task = asyncio.create_task(delivery(lambda: None))
        await until(lambda: fake.taken, what="the message")
        await stop(task)

        (first, _), (second, _) = fake.asked
        assert second - first >= 0.3

    with_delivery(tmp_path / "n.db", QUICK, use)


@pytest.mark.req("N2")
def test_what_is_not_delivered_is_seen_and_waits_on_disk(tmp_path: Path) -> None:
    """A stop does not lose it; the next life sends it."""
    path = tmp_path / "n.db"

    async def fails(fake: FakeTelegram, delivery: Delivery, journal: Journal) -> None:
        fake.script.extend([SERVER_ERROR] * 1000)
        post(journal, 1)
        task = asyncio.create_task(delivery(lambda: None))
        await until(lambda: delivery.condition().reasons, what="a reason")
        await stop(task)
        assert delivery.condition().reasons == ("not delivered: status 500",)

    async def works(fake: FakeTelegram, delivery: Delivery, journal: Journal) -> None:
        task = asyncio.create_task(delivery(lambda: None))
        await until(lambda: fake.taken, what="the message")
        await stop(task)

    with_delivery(path, QUICK, fails)
    with_delivery(path, QUICK, works)


def test_a_stop_sends_the_last_words(tmp_path: Path) -> None:
    """The message that the tree stops is posted just before the stop: it still goes out."""

    async def use(fake: FakeTelegram, delivery: Delivery, journal: Journal) -> None:
        task = asyncio.create_task(delivery(lambda: None))
        await asyncio.sleep(0)
        post(journal, 1)
        await stop(task)

        assert len(fake.taken) == 1
        assert Outbox(journal).queued() == 0

    with_delivery(tmp_path / "n.db", QUICK, use)


@pytest.mark.req("N2")
def test_the_pace() -> None:
    """A second between messages; after failures 1, 2, 4 ... to 300 s, or as long as the server asks."""
    pace, no = Pace(), Refused("no")

    assert pace.pause_s(Sent(), 0) == 1.0
    assert [pace.pause_s(no, n) for n in (1, 2, 3, 9, 10, 10**6)] == [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]
    assert pace.pause_s(Refused("wait", 600.0), 1) == 600.0
    assert pace.pause_s(Refused("wait", 1.0), 3) == 4.0
