"""From the outbox to the channel: in order, once, however often it fails on the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.journal import Journal
from tests.support import telegram as server
from tests.support.deadline import until
from tests.support.telegram import FakeTelegram, Reply, refusal, telegram_server, too_many
from workers.notifier import bot as bot_module
from workers.notifier import delivery as delivery_module
from workers.notifier import outbox
from workers.notifier.bot import Bot
from workers.notifier.delivery import AGAIN, Delivery, page
from workers.notifier.message import Message, Priority
from workers.notifier.outbox import TABLES, Letter, Outbox
from workers.notifier.outcome import Refused, Sent
from workers.notifier.pace import Pace, pace_of_chat
from workers.notifier.telegram import Telegram

QUICK = Pace(between_s=0.002, first_s=0.001, last_s=0.005, window_s=0.01)
CHANNEL = "telegram"
MIXTURE = (
    server.OK,
    server.OK,
    server.SLOW,
    too_many(0.01),
    server.BAD_GATEWAY,
    server.RESET,
    server.BAD_JSON,
    server.UNAUTHORIZED,
    server.NOT_HTTP,
)


def post(journal: Journal, number: int, *, priority: Priority = "info") -> None:
    """Put a message into the outbox."""
    message = Message(kind="test", at_ms=number * 1000, text=f"message {number}", priority=priority)
    writes = outbox.insert(message, (CHANNEL,))
    journal.commit(statements=[(write.sql, write.parameters) for write in writes])


def in_order(fake: FakeTelegram) -> list[int]:
    """Return the numbers of the messages in the order in which each arrived first.

    A machine so slow that a good answer comes too late makes repeats. All but one must be marked; the one
    that was given up may arrive after its repeat, and after what follows that: the server was so slow.
    """
    found: list[int] = []
    plain: set[int] = set()
    for text in fake.texts:
        number = int(text.split("message ")[1].split("\n")[0])
        if AGAIN not in text:
            assert number not in plain
            plain.add(number)
        found.append(number)
    return list(dict.fromkeys(found))


def numbers(fake: FakeTelegram) -> list[int]:
    """Return the numbers of the messages that were delivered, in order; repeats are not among them."""
    return [int(text.split("message ")[1].split("\n")[0]) for text in fake.texts if AGAIN not in text]


class Life:
    """A delivery to a fake server, with its journal."""

    def __init__(self, journal: Journal, fake: FakeTelegram, pace: Pace = QUICK, chat: str = "42") -> None:
        self.journal, self.fake = journal, fake
        self.outbox = Outbox(journal, (CHANNEL,))
        self.delivery = Delivery(CHANNEL, self.outbox, Telegram(Bot("12:token", fake.base_url), chat), pace)
        self.task = asyncio.create_task(self.delivery(lambda: None))

    async def empty(self) -> None:
        """Wait until everything is sent."""
        self.delivery.posted()
        await until(lambda: self.outbox.queued() == 0, what="an empty outbox", state=lambda: self.fake.texts)

    async def stop(self) -> None:
        """End it as the process does at its stop."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def live(path: Path, use: Callable[[Journal, FakeTelegram], Awaitable[None]]) -> FakeTelegram:
    """Run ``use`` with a journal and a fake server."""
    with telegram_server() as fake:
        journal = Journal.open(path / "n.db", stream="notifier", tables=TABLES)

        async def run() -> None:
            await use(journal, fake)

        try:
            asyncio.run(run())
        finally:
            journal.close()
    return fake


SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))]


@pytest.mark.req("N2")
@pytest.mark.parametrize("seed", SEEDS)
def test_everything_arrives_once_and_in_order_over_every_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """429, 502, resets, silence again and again, bad JSON, 401, slowness, garbage: none is lost, doubled, or
    overtakes."""
    monkeypatch.setattr(bot_module, "WHOLE_TIMEOUT_S", 0.3)
    chance = random.Random(seed)
    hangs = set(chance.sample(range(1, 30), 3))
    asked = 0

    def usual() -> Reply:
        nonlocal asked
        asked += 1
        return server.HANG if asked in hangs else chance.choice(MIXTURE)

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        fake.usual = usual
        life = Life(journal, fake)
        for number in range(1, 31):
            post(journal, number)
            if number % 10 == 0:
                await life.empty()
        await life.stop()
        assert life.delivery.condition().reasons == ()

    fake = live(tmp_path, use)
    assert in_order(fake) == list(range(1, 31))


@pytest.mark.req("N2")
def test_an_answer_that_is_lost_makes_one_repeat_that_says_so(tmp_path: Path) -> None:
    """Nobody can know whether it arrived: it goes out again, marked; its neighbours are not touched."""

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        fake.script.extend([server.OK, server.LOST])
        for number in (1, 2, 3):
            post(journal, number)
        life = Life(journal, fake)
        await life.empty()
        await life.stop()

    fake = live(tmp_path, use)
    heads = [text.split("\n1970")[0] for text in fake.texts]
    assert heads == ["message 1", "message 2", f"{AGAIN}message 2", "message 3"]


@pytest.mark.req("N2")
def test_a_message_was_taken_after_it_was_given_up_and_stood_behind_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes longer than anybody waits: one marked repeat goes out, and the others after it."""
    monkeypatch.setattr(bot_module, "WHOLE_TIMEOUT_S", 0.1)

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        fake.script.append(replace(server.SLOW, after_s=0.5))
        for number in (1, 2, 3):
            post(journal, number)
        life = Life(journal, fake)
        await life.empty()
        await until(lambda: 1 in numbers(fake), what="the one that was given up", state=lambda: fake.texts)
        await life.stop()

    assert in_order(live(tmp_path, use)) == [1, 2, 3]


@pytest.mark.req("N2")
def test_a_life_that_ended_between_sending_and_noting_it_repeats_that_message_marked(tmp_path: Path) -> None:
    """At most one, and it says so; what certainly did not arrive is not marked."""

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        post(journal, 1)
        post(journal, 2)
        Outbox(journal).mark_tried(CHANNEL, 1, tried=True)
        fake.script.append(too_many(0.001))
        life = Life(journal, fake)
        await life.empty()
        await life.stop()

    assert [AGAIN in text for text in live(tmp_path, use).texts] == [True, False]


@pytest.mark.req("N2")
def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    """The server's pause counts, though our own would be shorter."""

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        fake.script.append(too_many(0.3))
        post(journal, 1)
        life = Life(journal, fake)
        await life.empty()
        await life.stop()

    (first, _), (second, _) = live(tmp_path, use).asked
    assert second - first >= 0.3


@pytest.mark.req("N2")
def test_what_is_not_delivered_is_seen_and_waits_on_disk(tmp_path: Path) -> None:
    """A stop does not lose it; the next life sends it."""

    async def fails(journal: Journal, fake: FakeTelegram) -> None:
        fake.usual = lambda: server.BAD_GATEWAY
        post(journal, 1)
        life = Life(journal, fake)
        await until(lambda: life.delivery.condition().reasons, what="a reason")
        await life.stop()
        (reason,) = life.delivery.condition().reasons
        assert reason == "not delivered to telegram: status 502, and no answer of Telegram"

    async def works(journal: Journal, fake: FakeTelegram) -> None:
        life = Life(journal, fake)
        await life.empty()
        await life.stop()

    assert live(tmp_path, fails).taken == []
    assert len(live(tmp_path, works).taken) == 1


@pytest.mark.req("N2")
def test_what_is_critical_overtakes_what_waits(tmp_path: Path) -> None:
    """The oldest first among equals."""

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        fake.script.extend([server.BAD_GATEWAY])
        for number, priority in ((1, "info"), (2, "warning"), (3, "critical"), (4, "info"), (5, "critical")):
            post(journal, number, priority=priority)  # type: ignore[arg-type]
        life = Life(journal, fake)
        await life.empty()
        await life.stop()

    texts = [text.removeprefix(AGAIN).split("\n")[0][-1] for text in live(tmp_path, use).texts]
    assert texts == ["3", "5", "1", "2", "4"]


@pytest.mark.req("N2")
def test_a_message_that_is_never_taken_is_set_aside(tmp_path: Path) -> None:
    """After three tries the others pass; a chat that is wrong holds all of them."""

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        fake.script.extend([refusal(400, "Bad Request: can't parse message")] * 3)
        post(journal, 1)
        post(journal, 2)
        life = Life(journal, fake)
        await life.empty()
        await life.stop()

    assert numbers(live(tmp_path, use)) == [2]


@pytest.mark.req("N2")
def test_a_message_is_set_aside_for_what_telegram_says_of_it_alone(tmp_path: Path) -> None:
    """A time without a network before it is no reason: after that, two refusals are still two."""

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        fake.script.extend([server.BAD_GATEWAY] * 3 + [refusal(400, "Bad Request: odd")] * 2)
        post(journal, 1)
        post(journal, 2)
        life = Life(journal, fake)
        await life.empty()
        await life.stop()

    assert in_order(live(tmp_path, use)) == [1, 2]


def test_a_stop_sends_the_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message that the tree stops is posted just before the stop: it still goes out."""
    monkeypatch.setattr(delivery_module, "LAST_WORDS_S", 30.0)

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        life = Life(journal, fake)
        await asyncio.sleep(0)
        post(journal, 1)
        await life.stop()
        assert life.outbox.queued() == 0

    assert numbers(live(tmp_path, use)) == [1]


def test_a_stop_does_not_tear_what_is_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that the server is taking at that moment is noted as sent, and never repeated."""
    monkeypatch.setattr(delivery_module, "LAST_WORDS_S", 30.0)

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        fake.script.append(server.SLOW)
        post(journal, 1)
        life = Life(journal, fake)
        await until(lambda: fake.asked, what="the request")
        await life.stop()
        assert life.outbox.queued() == 0

    assert numbers(live(tmp_path, use)) == [1]


@pytest.mark.req("N1")
def test_what_must_not_leave_is_taken_out_of_the_line(tmp_path: Path) -> None:
    """In a replay; what an earlier run has left waits on."""

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        async def no() -> bool:
            return False

        post(journal, 1)
        run = outbox.new_run()
        journal.commit(statements=[(run.sql, run.parameters)])
        post(journal, 2)
        box = Outbox(journal, (CHANNEL,))
        delivery = Delivery(CHANNEL, box, Telegram(Bot("1:x", fake.base_url), "42"), QUICK, goes_out=no)
        task = asyncio.create_task(delivery(lambda: None))
        await until(lambda: box.queued() == 1, what="one letter that waits")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert box.next(CHANNEL) == Letter(number=1, at_ms=1000, text="message 1")

    assert live(tmp_path, use).asked == []


@pytest.mark.req("N2")
def test_the_pace_after_failures() -> None:
    """1, 2, 4 ... to 300 s, or as long as the server asks."""
    pace, no = Pace(), Refused("no")

    assert pace.pause_s(Sent(), 0) == 0.0
    assert [pace.pause_s(no, n) for n in (1, 2, 3, 9, 10, 10**6)] == [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]
    assert pace.pause_s(Refused("wait", 600.0), 1) == 600.0
    assert pace.pause_s(Refused("wait", 1.0), 3) == 4.0


@pytest.mark.req("N2")
@pytest.mark.parametrize(("chat", "last_s"), [("42", 40), ("-100", 120), ("@channel", 120)])
def test_a_burst_into_a_group_is_spread_over_minutes(chat: str, last_s: int) -> None:
    """The twenty-first waits for the minute of the first, the forty-first for that of the twenty-first."""
    pace, sent = pace_of_chat(chat), [0.0]
    for _ in range(40):
        sent.append(sent[-1] + pace.wait_s(sent[-64:], sent[-1]))

    assert (19, last_s) == (round(sent[19]), round(sent[40]))


@pytest.mark.req("N2")
@settings(max_examples=50)
@given(st.lists(st.floats(0, 5), max_size=80), st.sampled_from(["42", "-100", "@channel"]))
def test_never_more_than_the_limits_allow(gaps: list[float], chat: str) -> None:
    """One message a second in a chat, and 20 a minute in a group, whenever they come."""
    pace, now, sent = pace_of_chat(chat), 0.0, list[float]()
    for gap in gaps:
        now += gap
        now += pace.wait_s(sent[-64:], now)
        sent.append(now)

    assert all(later - earlier >= 0.999999 for earlier, later in pairwise(sent))
    if chat != "42":
        assert all(later - earlier >= 59.9999 for earlier, later in zip(sent, sent[20:], strict=False))


@pytest.mark.req("N2")
def test_the_limits_hold_over_restarts(tmp_path: Path) -> None:
    """A notifier that is killed again and again is no faster for that."""
    pace = Pace(between_s=0.2, first_s=0.001, last_s=0.005, window_s=5.0)

    async def use(journal: Journal, fake: FakeTelegram) -> None:
        for number in (1, 2):
            post(journal, number)
            life = Life(journal, fake, pace)
            await life.empty()
            life.task.cancel()
            await asyncio.gather(life.task, return_exceptions=True)

    first, second = live(tmp_path, use).taken
    assert second.at - first.at >= 0.19


@pytest.mark.req("N2")
def test_a_late_message_says_when_it_was_and_how_late_it_is() -> None:
    """The time of what happened stays."""
    letter = Letter(number=1, at_ms=3_600_000, text="It burns")

    assert page(letter, 3_600_900) == "It burns\n1970-01-01 01:00:00 UTC"
    assert page(letter, 11_100_000) == "It burns\n1970-01-01 01:00:00 UTC, sent 2h 5m later"
